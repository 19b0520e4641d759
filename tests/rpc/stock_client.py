"""A stock gRPC client of another language: reads what to do on stdin as JSON, and says what came of it on stdout.

No generated code: messages are bytes, as the router's peers of any language may hold them.
"""
import json
import sys

import grpc

INFER = "/chrysalis.v1.Inference/Infer"
LIST_MODELS = "/chrysalis.v1.Inference/ListModels"
HEALTH = "/grpc.health.v1.Health/Check"

ask = json.load(sys.stdin)
channel = grpc.insecure_channel(ask["address"])
unary = lambda path: channel.unary_unary(path)
infer = channel.stream_stream(INFER)


def outcome(work):
    try:
        return {"code": "OK", "messages": work()}
    except grpc.RpcError as error:
        return {"code": error.code().name, "details": error.details()}


def conversation(messages, **options):
    return outcome(lambda: [len(message) for message in infer(iter(messages), timeout=10, **options)])


def silent():
    """Opens a stream and says nothing until its deadline."""
    import threading

    never = threading.Event()

    def messages():
        never.wait(5)
        yield from ()

    try:
        return outcome(lambda: list(infer(messages(), timeout=0.5)))
    finally:
        never.set()


def cancelled():
    call = infer(iter([bytes.fromhex(message) for message in ask["another"]]), timeout=10)
    call.cancel()
    return outcome(lambda: list(call))


large = (("x-large", "x" * 20_000),)
print(
    json.dumps(
        {
            "version": grpc.__version__,
            "health": outcome(lambda: unary(HEALTH)(b"", timeout=10).hex()),
            "models": outcome(lambda: len(unary(LIST_MODELS)(b"", timeout=10))),
            "answer": conversation([bytes.fromhex(message) for message in ask["request"]]),
            "malformed": conversation([b"\x0a\x03abc"]),
            "tooLong": conversation([b"\x12" + b"\x00" * (3 * 1024 * 1024)]),
            "compressed": outcome(
                lambda: len(unary(LIST_MODELS)(b"\x0a" * 500, timeout=10, compression=grpc.Compression.Gzip))
            ),
            "largeMetadata": outcome(lambda: len(unary(LIST_MODELS)(b"", timeout=10, metadata=large))),
            "silent": silent(),
            "cancelled": cancelled(),
            "afterwards": outcome(lambda: len(unary(LIST_MODELS)(b"", timeout=10))),
        }
    )
)
