"""Writes a checkpoint as a model directory in the usual Hugging Face ONNX layout, and checks it against PyTorch.

Usage: export.py --checkpoint checkpoint.pt --data DIR --out enclave-images/models/NAME
Weights are stored as 16-bit floats and computed in 32 bits: the runtime widens them once, when it loads the model.
The directory gets model.onnx, config.json, generation_config.json, tokenizer.json and tokenizer_config.json.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, processors

from model import Decoder, Shape, rope_tables

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
FUSED = "com.microsoft"


class Graph:
    """Collects nodes and initializers; every method answers with the name of a value."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], output: str, domain: str = "", **attributes) -> str:
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def weight(self, name: str, tensor: torch.Tensor) -> str:
        """A 16-bit initializer, widened to 32 bits."""
        half = self.constant(f"{name}.f16", tensor.detach().to(torch.float16).numpy())
        return self.node("Cast", [half], name, to=TensorProto.FLOAT)


def norm(graph: Graph, x: str, weight: torch.Tensor, eps: float, name: str) -> str:
    scale = graph.constant(f"{name}.weight", weight.detach().float().numpy())
    return graph.node("SimplifiedLayerNormalization", [x, scale], name, axis=-1, epsilon=eps, stash_type=1)


def block(graph: Graph, x: str, weights: dict[str, torch.Tensor], shape: Shape, at: int) -> str:
    own, layer = f"blocks.{at}.", f"layers.{at}"
    matrix = lambda name: graph.weight(f"{layer}.{name}", weights[f"{own}{name}.weight"].T)  # noqa: E731
    normed = norm(graph, x, weights[f"{own}attention_norm.weight"], shape.norm_eps, f"{layer}.attention_norm")
    qkv = graph.node("MatMul", [normed, matrix("qkv")], f"{layer}.qkv.out")
    graph.nodes.append(
        helper.make_node(
            "GroupQueryAttention",
            [qkv, "", "", f"past_key_values.{at}.key", f"past_key_values.{at}.value", "seqlens_k", "total_length", "cos", "sin"],
            [f"{layer}.mixed", f"present.{at}.key", f"present.{at}.value"],
            name=f"{layer}.attention", domain=FUSED, num_heads=shape.heads, kv_num_heads=shape.heads, do_rotary=1,
            rotary_interleaved=0,
        )
    )
    out = graph.node("MatMul", [f"{layer}.mixed", matrix("out")], f"{layer}.attention.out")
    x = graph.node("Add", [x, out], f"{layer}.attention.sum")
    normed = norm(graph, x, weights[f"{own}mlp_norm.weight"], shape.norm_eps, f"{layer}.mlp_norm")
    gate_weight, up_weight = weights[f"{own}gate_up.weight"].chunk(2)
    gate = graph.node("MatMul", [normed, graph.weight(f"{layer}.gate", gate_weight.T)], f"{layer}.gate.out")
    up = graph.node("MatMul", [normed, graph.weight(f"{layer}.up", up_weight.T)], f"{layer}.up.out")
    sigmoid = graph.node("Sigmoid", [gate], f"{layer}.gate.sigmoid")
    silu = graph.node("Mul", [gate, sigmoid], f"{layer}.gate.silu")
    hidden = graph.node("Mul", [silu, up], f"{layer}.hidden")
    down = graph.node("MatMul", [hidden, matrix("down")], f"{layer}.down.out")
    return graph.node("Add", [x, down], f"{layer}.sum")


def onnx_model(weights: dict[str, torch.Tensor], shape: Shape) -> onnx.ModelProto:
    graph = Graph()
    cos, sin = rope_tables(shape)
    graph.constant("cos", cos.numpy())
    graph.constant("sin", sin.numpy())
    table = graph.weight("embedding", weights["embedding.weight"])
    summed = graph.node("ReduceSum", ["attention_mask", graph.constant("axis_1", np.array([1], np.int64))], "mask.sum", keepdims=0)
    last = graph.node("Sub", [summed, graph.constant("one", np.array([1], np.int64))], "mask.last")
    graph.node("Cast", [last], "seqlens_k", to=TensorProto.INT32)
    mask_shape = graph.node("Shape", ["attention_mask"], "mask.shape")
    total = graph.node("Gather", [mask_shape, graph.constant("index_1", np.array(1, np.int64))], "mask.total", axis=0)
    graph.node("Cast", [total], "total_length", to=TensorProto.INT32)
    x = graph.node("Gather", [table, "input_ids"], "embedded", axis=0)
    for at in range(shape.layers):
        x = block(graph, x, weights, shape, at)
    normed = norm(graph, x, weights["final_norm.weight"], shape.norm_eps, "final_norm")
    head = graph.node("Transpose", [table], "embedding.transposed", perm=[1, 0])
    graph.node("MatMul", [normed, head], "logits")
    number, index = TensorProto.FLOAT, TensorProto.INT64
    cache = lambda name, time: helper.make_tensor_value_info(  # noqa: E731
        name, number, ["batch_size", shape.heads, time, shape.head_size])
    inputs = [helper.make_tensor_value_info("input_ids", index, ["batch_size", "sequence_length"]),
              helper.make_tensor_value_info("attention_mask", index, ["batch_size", "total_sequence_length"])]
    outputs = [helper.make_tensor_value_info("logits", number, ["batch_size", "sequence_length", shape.vocab])]
    for at in range(shape.layers):
        for part in ("key", "value"):
            inputs.append(cache(f"past_key_values.{at}.{part}", "past_sequence_length"))
            outputs.append(cache(f"present.{at}.{part}", "total_sequence_length"))
    whole = helper.make_graph(graph.nodes, "chrysalis", inputs, outputs, graph.initializers)
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(FUSED, 1)]
    model = helper.make_model(whole, opset_imports=opsets, producer_name="chrysalis scripts/train-model")
    model.ir_version = 9
    return model


def write_texts(out: Path, shape: Shape, data: Path) -> None:
    tokenizer = Tokenizer.from_file(str(data / "tokenizer.json"))
    start = tokenizer.token_to_id("<|text|>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<|text|> $A", special_tokens=[("<|text|>", start)])
    tokenizer.save(str(out / "tokenizer.json"))
    end = tokenizer.token_to_id("<|end|>")

    def write(name: str, value: dict) -> None:
        (out / name).write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")

    write("config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": shape.vocab,
        "hidden_size": shape.width, "intermediate_size": shape.hidden, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.heads, "head_dim": shape.head_size,
        "max_position_embeddings": shape.context, "rope_theta": shape.rope_theta, "rms_norm_eps": shape.norm_eps,
        "hidden_act": "silu", "tie_word_embeddings": True, "bos_token_id": start, "eos_token_id": end,
        "torch_dtype": "float32",
    })
    write("generation_config.json", {"bos_token_id": start, "eos_token_id": end, "do_sample": True, "temperature": 0.7,
                                     "top_p": 0.95, "max_new_tokens": 120})
    write("tokenizer_config.json", {
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|text|>", "eos_token": "<|end|>",
        "model_max_length": shape.context, "clean_up_tokenization_spaces": False, "chat_template": CHAT_TEMPLATE,
    })


def write_expectation(path: Path, model: Decoder, tokenizer: Tokenizer) -> None:
    """Greedy answers and last logits of PyTorch (16-bit weights widened), which check.ts compares with the runtime's."""
    model.eval()
    cases = []
    for ask in ["Write one sentence about the sea.", "Tell me a story about a fox.", "Hello", "Continue: The old captain"]:
        ids = tokenizer.encode(f"<|user|>{ask}<|end|><|assistant|>", add_special_tokens=False).ids
        prompt, first = list(ids), None
        with torch.no_grad():
            for _ in range(60):
                logits = model(torch.tensor([ids]))[0, -1]
                first = logits.tolist() if first is None else first
                ids.append(int(logits.argmax()))
                if ids[-1] == tokenizer.token_to_id("<|end|>"):
                    break
        cases.append({"ask": ask, "prompt": prompt, "answer": ids[len(prompt):], "firstLogits": first})
        print(ask, "->", tokenizer.decode(ids[len(prompt):]))
    path.write_text(json.dumps(cases) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--expect", type=Path, help="where to write PyTorch's answers for check.ts")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    kept = torch.load(chosen.checkpoint, weights_only=True)
    shape = Shape(**kept["shape"])
    weights = {name: value.to(torch.float16).float() if value.dim() == 2 else value for name, value in kept["weights"].items()}
    onnx.save(onnx_model(weights, shape), str(chosen.out / "model.onnx"))
    write_texts(chosen.out, shape, chosen.data)
    print("training:", kept["facts"])
    if chosen.expect is not None:
        model = Decoder(shape)
        model.load_state_dict(weights)
        write_expectation(chosen.expect, model, Tokenizer.from_file(str(chosen.data / "tokenizer.json")))


if __name__ == "__main__":
    main()
