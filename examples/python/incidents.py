"""Lists incidents by gRPC, then follows them: python incidents.py [HOST:PORT] [NUMBER TO FOLLOW]

Needs stubs that are generated from the .proto file:

    pip install grpcio grpcio-tools
    python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. proto/weir/serving/v1/serving.proto

A server that asks for a token takes it from the variable WEIR_TOKEN.
"""

import os
import sys

import grpc
from weir.serving.v1 import serving_pb2 as weir
from weir.serving.v1 import serving_pb2_grpc as stubs


def line(incident):
    state = weir.State.Name(incident.state).removeprefix("STATE_").lower()
    severity = weir.Severity.Name(incident.severity).removeprefix("SEVERITY_").lower()
    made_up = " (synthetic)" if incident.synthetic else ""
    seen = f"{incident.visible_peers} of {incident.total_peers} peers"
    first = incident.first_seen.ToDatetime().isoformat()
    return f"{first} {severity:8} {incident.type:14} {incident.prefix:20} {state:10} {seen}{made_up}"


def main(address="127.0.0.1:50051", follow=3):
    token = os.environ.get("WEIR_TOKEN")
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(address) as channel:
        incidents = stubs.IncidentsStub(channel)
        page = incidents.ListIncidents(
            weir.ListIncidentsRequest(page_size=20), metadata=metadata, timeout=10
        )
        for incident in page.incidents:
            print(line(incident), flush=True)
        if follow == 0:
            return
        changes = incidents.WatchIncidents(weir.WatchIncidentsRequest(), metadata=metadata)
        for number, change in enumerate(changes, start=1):
            print(f"{change.transition:10} {line(change.incident)}", flush=True)
            if number == follow:
                return


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
