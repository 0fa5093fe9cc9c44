//! What runs on the server, so that comparing and writing are one step.
//!
//! Numbers are compared as decimal text: Lua's own are floats and lose what is beyond 2^53.

use fred::{
    bytes_utils::Str,
    prelude::{Client, ClientLike, Error, LuaInterface, Value},
    types::{ClusterHash, CustomCommand},
};

/// Writes a row if (event time, version) is greater than what is stored. `KEYS[1]` the row;
/// `ARGV` fields and values in turn: event time, version and list of features first. Gives 1 or 0.
pub const PUT_ROW: &str = r"
local function less(a, b)
  local negative = a:byte() == 45
  if negative ~= (b:byte() == 45) then return negative end
  if negative then a, b = b, a end
  if #a ~= #b then return #a < #b end
  return a < b
end
local stored = redis.call('HMGET', KEYS[1], ARGV[1], ARGV[3], ARGV[5])
local time, version = stored[1], stored[2]
if time and version then
  if time == ARGV[2] then
    if not less(version, ARGV[4]) then return 0 end
  elseif not less(time, ARGV[2]) then
    return 0
  end
end
if stored[3] ~= ARGV[6] then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], unpack(ARGV))
return 1
";

/// Checks, and with `ARGV[4] == 'move'` moves, a writer's place. `KEYS[1]` the sink; `ARGV` fence,
/// the place it should have (`?` = any, `-` = none yet), the new place. Gives fence and place as
/// they are stored; nothing moved when the fence is another, or the place neither.
pub(super) const MOVE_SINK: &str = r"
local stored = redis.call('HMGET', KEYS[1], 'fence', 'next_offset')
local fence, place = stored[1] or '0', stored[2] or '-'
local fits = ARGV[2] == '?' or place == ARGV[2] or place == ARGV[3]
if ARGV[4] == 'move' and fence == ARGV[1] and fits then
  redis.call('HSET', KEYS[1], 'next_offset', ARGV[3])
end
return {fence, place}
";

/// A script and its name on the server.
#[derive(Clone, Debug)]
pub(super) struct Script {
    source: &'static str,
    sha: Str,
}

/// How a script is called: servers forget scripts when they restart, and EVAL reminds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    Name,
    Source,
}

impl Script {
    pub(super) async fn load(client: &Client, source: &'static str) -> Result<Self, Error> {
        let sha = client.script_load(source).await?;
        Ok(Self { source, sha })
    }

    /// Calls it with one key; on a pipeline, puts it in line.
    pub(super) async fn call<C: ClientLike>(
        &self,
        on: &C,
        by: By,
        key: String,
        arguments: Vec<Value>,
    ) -> Result<Value, Error> {
        let (command, script) = match by {
            By::Name => ("EVALSHA", self.sha.clone()),
            By::Source => ("EVAL", Str::from_static(self.source)),
        };
        let command = CustomCommand::new_static(command, ClusterHash::from(key.as_str()), false);
        let mut words: Vec<Value> = Vec::with_capacity(3 + arguments.len());
        words.extend([Value::String(script), 1.into(), key.into()]);
        words.extend(arguments);
        on.custom(command, words).await
    }
}

/// True when the server does not know the script.
pub(super) fn is_forgotten(error: &Error) -> bool {
    error.details().starts_with("NOSCRIPT")
}
