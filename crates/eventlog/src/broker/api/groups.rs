//! The group APIs: the wire side of `broker::groups`.

use crate::broker::error_code as code;
use crate::broker::groups::{Answer, Join, Joined};
use crate::broker::node::Node;
use crate::broker::request::Call;
use crate::broker::wire::{Reader, WireError, Writer};

pub(crate) async fn join(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let version = call.version;
    let group = request.text("group")?.to_owned();
    let session_ms = request.i32("session timeout")?;
    let rebalance_ms = match version {
        0 => session_ms,
        _ => request.i32("rebalance timeout")?,
    };
    let member = request.text("member")?.to_owned();
    let instance = match version {
        5.. => request.nullable_text("instance")?.map(str::to_owned),
        _ => None,
    };
    let protocol_type = request.text("protocol type")?.to_owned();
    let protocols = request.array("protocols", |request| {
        let name = request.text("protocol")?.to_owned();
        Ok((name, request.bytes("metadata")?.to_vec()))
    })?;
    let join = Join {
        member: member.clone(),
        instance,
        client: call.client.to_owned(),
        host: call.host.to_owned(),
        session_ms,
        rebalance_ms,
        protocol_type,
        protocols,
        comes_twice: version >= 4,
    };
    let _waiting = node.groups.waiting();
    let answer = if group.is_empty() {
        Answer::Now(Joined::failed(code::INVALID_GROUP_ID, &member))
    } else {
        node.groups.join(&group, join)
    };
    let joined = match answer {
        Answer::Now(joined) => joined,
        // The sender goes away when the member is thrown out, or asks again elsewhere.
        Answer::Later(later) => later
            .await
            .unwrap_or_else(|_| Joined::failed(code::UNKNOWN_MEMBER_ID, &member)),
    };
    if version >= 2 {
        out.i32(0);
    }
    out.i16(joined.error).i32(joined.generation);
    out.text(&joined.protocol)
        .text(&joined.leader)
        .text(&joined.member);
    out.array(&joined.members, |out, (member, instance, metadata)| {
        out.text(member);
        if version >= 5 {
            out.nullable_text(instance.as_deref());
        }
        out.blob(metadata);
    });
    Ok(())
}

pub(crate) async fn sync(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let group = request.text("group")?;
    let generation = request.i32("generation")?;
    let member = request.text("member")?;
    let instance = match call.version {
        3.. => request.nullable_text("instance")?,
        _ => None,
    };
    let assignments = request.array("assignments", |request| {
        let member = request.text("member")?.to_owned();
        Ok((member, request.bytes("assignment")?.to_vec()))
    })?;
    let _waiting = node.groups.waiting();
    let answer = node
        .groups
        .sync(group, member, instance, generation, assignments);
    let (error, assignment) = match answer {
        Answer::Now(synced) => synced,
        Answer::Later(later) => later.await.unwrap_or((code::UNKNOWN_MEMBER_ID, Vec::new())),
    };
    if call.version >= 1 {
        out.i32(0);
    }
    out.i16(error).blob(&assignment);
    Ok(())
}

pub(crate) fn heartbeat(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let group = request.text("group")?;
    let generation = request.i32("generation")?;
    let member = request.text("member")?;
    let instance = match call.version {
        3.. => request.nullable_text("instance")?,
        _ => None,
    };
    if call.version >= 1 {
        out.i32(0);
    }
    out.i16(node.groups.heartbeat(group, member, instance, generation));
    Ok(())
}

pub(crate) fn leave(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let group = request.text("group")?;
    if call.version >= 1 {
        out.i32(0);
    }
    if call.version < 3 {
        let member = request.text("member")?;
        out.i16(node.groups.leave(group, member, None));
        return Ok(());
    }
    let members = request.array("members", |request| {
        let member = request.text("member")?;
        Ok((member, request.nullable_text("instance")?))
    })?;
    out.i16(code::NONE);
    out.array(&members, |out, (member, instance)| {
        out.text(member).nullable_text(*instance);
        out.i16(node.groups.leave(group, member, *instance));
    });
    Ok(())
}

pub(crate) fn list(node: &Node, call: Call<'_>, out: &mut Writer) {
    let mut groups: Vec<_> = node
        .groups
        .all()
        .into_iter()
        .map(|(id, group)| (id, group.lock().protocol_type.clone()))
        .collect();
    for (id, _) in node.offsets.groups() {
        if !groups.iter().any(|(known, _)| *known == id) {
            groups.push((id, String::new()));
        }
    }
    if call.version >= 1 {
        out.i32(0);
    }
    out.i16(code::NONE);
    out.array(&groups, |out, (id, protocol_type)| {
        out.text(id).text(protocol_type);
    });
}

pub(crate) fn describe(
    node: &Node,
    call: Call<'_>,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let groups = request.array("groups", |request| request.text("group"))?;
    if call.version >= 1 {
        out.i32(0);
    }
    out.array(&groups, |out, id| {
        out.i16(code::NONE).text(id);
        match node.groups.get(id) {
            Some(group) => {
                let group = group.lock();
                out.text(group.state.name()).text(&group.protocol_type);
                out.text(&group.protocol).count(group.members.len());
                for (id, member) in &group.members {
                    out.text(id);
                    if call.version >= 4 {
                        out.nullable_text(member.instance.as_deref());
                    }
                    out.text(&member.client).text(&member.host);
                    out.blob(&member.metadata(&group.protocol));
                    out.blob(&member.assignment);
                }
            }
            None => {
                let committed = !node.offsets.of_group(id).is_empty();
                out.text(if committed { "Empty" } else { "Dead" });
                out.text("").text("").count(0);
            }
        }
        if call.version >= 3 {
            out.i32(i32::MIN);
        }
    });
    Ok(())
}

pub(crate) fn delete(
    node: &Node,
    request: &mut Reader<'_>,
    out: &mut Writer,
) -> Result<(), WireError> {
    let groups = request.array("groups", |request| request.text("group"))?;
    out.i32(0);
    out.array(&groups, |out, id| {
        let known = node.groups.delete(id);
        let error = match known {
            Some(error) if error != code::NONE => error,
            known => match node.offsets.delete_group(id) {
                Ok(committed) if committed || known.is_some() => code::NONE,
                Ok(_) => code::GROUP_ID_NOT_FOUND,
                Err(error) => {
                    tracing::error!(%error, group = id, "cannot delete the offsets of a group");
                    code::KAFKA_STORAGE_ERROR
                }
            },
        };
        out.text(id).i16(error);
    });
    Ok(())
}
