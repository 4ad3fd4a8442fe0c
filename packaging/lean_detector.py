"""Write the detector so that the runtime has less to do, with the same answers.

PP-OCRv4's detector as it was exported multiplies, adds, clips and divides in single steps over
large maps, and convolves maps that were only enlarged. All of this is rewritten by algebra that
holds exactly, so weights are neither rounded nor trained again; what differs is the rounding of
32-bit numbers (1e-5 of a probability, `tests/unit/inspect/test_models.py`):

- scales and shifts behind a convolution go into its weights and its bias;
- hard swish `s * y * clip(y + 3, 0, 6) / 6` becomes a hard sigmoid and a product, both of which
  the runtime does in the layout of its convolutions; a shift behind it goes into the bias of the
  next convolution, unless that one pads with zeros;
- a convolution of 3 x 3 over a map enlarged twice is four of 2 x 2 over the map;
- of the finest level, which is 12 channels made 96 and weighed by their means, the weights are
  put into the next convolution instead: a convolution over 12;
- the two last transposed convolutions (2 x 2, a step of 2) are convolutions of 1 x 1 whose
  channels are laid out as pixels at the end.

Usage (needs onnx 1.23.2, which nothing else does; the source is the file in the wheel of
rapidocr-onnxruntime 1.4.4):

    python packaging/lean_detector.py ch_PP-OCRv4_det_infer.onnx tasks/inspect/models/detection.onnx
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

SOURCE_SHA256 = "d2a7720d45a54257208b1e13e36a8479894cb74155a5efe29462512d42f49da9"
CHANNELS, FINEST, OUT = 96, 12, 24  # of the neck, of its finest level before, of its heads


class Graph:
    """Nodes in an order that can be run, and constants in double precision until written."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.nodes: list[Any] = []
        self.const: dict[str, Any] = {i.name: _value(i) for i in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                self.const[node.output[0]] = _value(node.attribute[0].t)
            else:
                self.nodes.append(node)

    def users(self, name: str) -> list[Any]:
        return [node for node in self.nodes if name in node.input]

    def maker(self, name: str) -> Any:
        return next((node for node in self.nodes if name in node.output), None)

    def input_of(self, node: Any) -> Any:
        """Return the node whose answer this one takes."""
        return next((m for m in map(self.maker, node.input) if m is not None), None)

    def only_user(self, name: str, operation: str) -> Any:
        users = self.users(name)
        return users[0] if len(users) == 1 and users[0].op_type == operation else None

    def factor(self, node: Any) -> Any:
        """Return the constant of a sum or a product with one, else None."""
        if node is None or node.op_type not in ("Add", "Mul"):
            return None
        constants = [self.const[i] for i in node.input if i in self.const]
        return constants[0].reshape(-1) if len(constants) == 1 else None

    def bypass(self, node: Any, name: str) -> None:
        """Take a node out: who took its answer takes `name`."""
        for other in self.users(node.output[0]):
            for at, taken in enumerate(other.input):
                if taken == node.output[0]:
                    other.input[at] = name
        self.nodes.remove(node)

    def constant(self, name: str, value: Any) -> str:
        self.const[name] = np.asarray(value)
        return name

    def weigh(self, conv: Any, weights: Any, bias: Any) -> None:
        """Give a convolution other weights and another bias."""
        name = conv.output[0]
        del conv.input[1:]
        conv.input.extend([self.constant(f"{name}/w", weights), self.constant(f"{name}/b", bias)])

    def weights(self, conv: Any) -> tuple[Any, Any]:
        weights = self.const[conv.input[1]]
        if len(conv.input) > 2:
            return weights, self.const[conv.input[2]]
        return weights, np.zeros(weights.shape[1 if conv.op_type == "ConvTranspose" else 0])

    def scale(self, conv: Any, by: Any, shift: Any) -> None:
        """Put a scale and a shift of the answer into a convolution."""
        weights, bias = self.weights(conv)
        shape = (1, -1, 1, 1) if conv.op_type == "ConvTranspose" else (-1, 1, 1, 1)
        by = np.broadcast_to(by, bias.shape)
        self.weigh(conv, weights * by.reshape(shape), bias * by + shift)

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operation, inputs, [output], name=output, **attributes))
        return output

    def conv(
        self, x: str, weights: Any, output: str, bias: Any = None, pads: tuple[int, ...] = (0,) * 4
    ) -> str:
        inputs = [x, self.constant(f"{output}/w", weights)]
        if bias is not None:
            inputs.append(self.constant(f"{output}/b", bias))
        return self.add("Conv", inputs, output, kernel_shape=list(weights.shape[2:]),
                        pads=list(pads), strides=[1, 1], group=1)  # fmt: skip

    def written(self) -> bytes:
        """Return the file: nodes in order, and only what the answer needs."""
        graph = self.model.graph
        known, order, left = {*self.const, graph.input[0].name}, [], list(self.nodes)
        while left:
            node = next(n for n in left if all(i in known for i in n.input))
            left.remove(node)
            order.append(node)
            known.update(node.output)
        needed, live = {graph.output[0].name}, []
        for node in reversed(order):
            if needed & set(node.output):
                live.append(node)
                needed.update(node.input)
        constants = [
            numpy_helper.from_array(_single(value), name)
            for name, value in sorted(self.const.items())
            if name in needed
        ]
        made = helper.make_graph(
            live[::-1], "detection", list(graph.input), list(graph.output), constants
        )
        model = helper.make_model(
            made, opset_imports=self.model.opset_import, ir_version=self.model.ir_version
        )
        onnx.checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))


def _value(tensor: Any) -> Any:
    value = numpy_helper.to_array(tensor)
    return value.astype(np.float64) if value.dtype == np.float32 else value


def _single(value: Any) -> Any:
    return value.astype(np.float32) if value.dtype == np.float64 else value


def fold_scales(graph: Graph) -> None:
    """Put each scale and shift behind a convolution into it."""
    changed = True
    while changed:
        changed = False
        for node in list(graph.nodes):
            conv = graph.input_of(node)
            if conv is None or conv.op_type not in ("Conv", "ConvTranspose"):
                continue
            found = _scale_of(graph, node)
            if found is None or len(graph.users(conv.output[0])) != 1:
                continue
            graph.scale(conv, *found)
            graph.bypass(node, conv.output[0])
            changed = True


def _scale_of(graph: Graph, node: Any) -> tuple[Any, Any] | None:
    if node.op_type == "BatchNormalization":
        gamma, beta, mean, variance = (graph.const[i] for i in node.input[1:5])
        epsilon = next((a.f for a in node.attribute if a.name == "epsilon"), 1e-5)
        by = gamma / np.sqrt(variance + epsilon)
        return by, beta - mean * by
    constant = graph.factor(node)
    if constant is None:
        return None
    return (constant, 0.0) if node.op_type == "Mul" else (1.0, constant)


def fold_swishes(graph: Graph) -> None:
    """Rewrite each hard swish behind a convolution, with the scale and the shift behind it."""
    for conv in [node for node in graph.nodes if node.op_type == "Conv"]:
        name = conv.output[0]
        three = [n for n in graph.users(name) if n.op_type == "Add" and graph.factor(n) is not None]
        if len(three) != 1:
            continue
        clip = graph.only_user(three[0].output[0], "Clip")
        product = graph.only_user(clip.output[0], "Mul")
        sixth = graph.only_user(product.output[0], "Div")
        numbers = [*graph.factor(three[0]), *(graph.const[i] for i in clip.input[1:])]
        if [float(n) for n in (*numbers, graph.const[sixth.input[1]])] != [3.0, 0.0, 6.0, 6.0]:
            raise ValueError(f"no hard swish behind {name}")
        scaled = graph.only_user(sixth.output[0], "Mul")
        shifted = graph.only_user(scaled.output[0], "Add")
        by, shift = float(graph.factor(scaled)[0]), float(graph.factor(shifted)[0])
        for node in (three[0], clip, product, sixth, scaled):
            graph.nodes.remove(node)
        graph.scale(conv, by, 0.0)
        gate = graph.add("HardSigmoid", [name], f"{name}/gate", alpha=1 / (6 * by), beta=0.5)
        swish = graph.add("Mul", [name, gate], f"{name}/swish")
        _shift(graph, shifted, swish, shift)


def _shift(graph: Graph, shifted: Any, swish: str, shift: float) -> None:
    """Add a shift in the bias of who takes it, or by a convolution of its own where zeros pad."""
    name = shifted.output[0]
    for user in graph.users(name):
        pads = [p for a in user.attribute if a.name == "pads" for p in a.ints]
        if user.op_type == "Conv" and not any(pads):
            weights, bias = graph.weights(user)
            graph.weigh(user, weights, bias + shift * weights.sum(axis=(1, 2, 3)))
            user.input[0] = swish
    conv = graph.maker(graph.maker(swish).input[0])
    n_channels = graph.weights(conv)[0].shape[0]
    graph.nodes.remove(shifted)
    # Dropped when written where nobody is left that takes it.
    inputs = [
        swish,
        graph.constant(f"{name}/w", np.ones((n_channels, 1, 1, 1))),
        graph.constant(f"{name}/b", np.full(n_channels, shift)),
    ]
    graph.add("Conv", inputs, name, kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1],
              group=n_channels)  # fmt: skip


def over_enlarged(graph: Graph, x: str, weights: Any, output: str) -> str:
    """Convolve 3 x 3 over a map enlarged twice, by four of 2 x 2 over the map itself.

    Of two neighbouring pixels of the enlarged map that come from one of the map, the first sees
    the one before and twice this one; the second this one twice and the next.
    """

    def seen(kernel: Any, second: int, axis: int) -> Any:
        a, b, c = np.split(kernel, 3, axis=axis)
        return np.concatenate([a + b, c] if second else [a, b + c], axis=axis)

    parts = [
        graph.conv(x, seen(seen(weights, row, 2), column, 3), f"{output}/{row}{column}",
                   pads=(1 - row, 1 - column, row, column))
        for row in (0, 1)
        for column in (0, 1)
    ]  # fmt: skip
    graph.add("Concat", parts, f"{output}/parts", axis=1)
    return graph.add("DepthToSpace", [f"{output}/parts"], output, blocksize=2, mode="DCR")


def rewrite_head(graph: Graph) -> None:
    """Rewrite the neck's finest level, what joins the levels, and the end."""
    (join,) = [n for n in graph.nodes if n.op_type == "Concat"]
    levels = [graph.maker(name) for name in join.input]  # coarse to fine; three were enlarged
    fine = _finest(graph, levels[3])
    end = graph.only_user(join.output[0], "Conv")
    weights, bias = graph.weights(end)
    coarse = [
        _enlarged(graph, level.input[0], by) for level, by in zip(levels, (4, 2, 1), strict=False)
    ]
    graph.add("Concat", coarse, "levels", axis=1)
    there = over_enlarged(graph, "levels", weights[:, : 3 * OUT], "coarse")
    here = graph.conv(fine, weights[:, 3 * OUT :], "fine", bias, pads=(1, 1, 1, 1))
    graph.add("Add", [here, there], "joined")
    graph.add("Relu", ["joined"], "joined/relu")
    first, second = [n for n in graph.nodes if n.op_type == "ConvTranspose"]
    _as_pixels(graph, graph.weights(first), graph.weights(second))


def _enlarged(graph: Graph, name: str, by: int) -> str:
    if by == 1:
        return name
    scales = graph.constant(f"{name}/by", np.array([1.0, 1.0, by, by]))
    return graph.add("Resize", [name, graph.constant("none", np.zeros(0)), scales], f"{name}/large",
                     mode="nearest", coordinate_transformation_mode="asymmetric",
                     nearest_mode="floor")  # fmt: skip


def _finest(graph: Graph, weighed: Any) -> str:
    """Return the finest level: what is its own by a convolution over 12 channels, and the rest."""
    (conv,) = [n for n in map(graph.maker, weighed.input) if n.op_type == "Conv"]
    total = graph.maker(conv.input[0])
    rest = graph.maker(next(i for i in total.input if graph.maker(i).op_type == "Resize"))
    own = graph.maker(next(i for i in total.input if i != rest.output[0]))
    (lateral,) = [n for n in map(graph.maker, own.input) if n.op_type == "Conv"]
    kernel, spread = graph.weights(conv)[0], graph.weights(lateral)[0]
    # The means of 96 channels made of 12 are made of the means of the 12.
    (mean,) = [n for n in graph.users(lateral.output[0]) if n.op_type == "GlobalAveragePool"]
    graph.nodes.remove(mean)
    graph.add("GlobalAveragePool", [lateral.input[0]], "fine/means")
    graph.conv("fine/means", spread, mean.output[0])
    one = graph.constant("one", np.ones((1, 1, 1, 1)))
    graph.add("Add", [_gate_of(graph, own), one], "fine/weights")
    column = _shaped(graph, "fine/weights", "fine/column", [CHANNELS, 1])
    graph.add("Mul", [column, graph.constant("fine/spread", spread[:, :, 0, 0])], "fine/weighed")
    taps = kernel.transpose(0, 2, 3, 1).reshape(OUT * 9, CHANNELS)
    graph.add("MatMul", [graph.constant("fine/taps", taps), "fine/weighed"], "fine/product")
    _shaped(graph, "fine/product", "fine/by_tap", [OUT, 9, FINEST])
    graph.add("Transpose", ["fine/by_tap"], "fine/by_channel", perm=[0, 2, 1])
    _shaped(graph, "fine/by_channel", "fine/kernel", [OUT, FINEST, 3, 3])
    graph.add("Conv", [lateral.input[0], "fine/kernel"], "fine/own", kernel_shape=[3, 3],
              pads=[1] * 4, strides=[1, 1], group=1)  # fmt: skip
    from_rest = over_enlarged(graph, rest.input[0], kernel, "fine/rest")
    graph.nodes.remove(conv)
    graph.add("Add", ["fine/own", from_rest], conv.output[0])
    graph.add("Add", [_gate_of(graph, weighed), one], "fine/gate")
    return graph.add("Mul", [conv.output[0], "fine/gate"], "fine/level")


def _gate_of(graph: Graph, weighed: Any) -> str:
    """Return the weights by which `x + x * weights` weighs its channels."""
    product = next(n for n in map(graph.maker, weighed.input) if n.op_type == "Mul")
    return str(next(i for i in product.input if graph.maker(i).op_type == "HardSigmoid"))


def _shaped(graph: Graph, name: str, output: str, shape: list[int]) -> str:
    to = graph.constant(f"{output}/shape", np.array(shape, np.int64))
    return graph.add("Reshape", [name, to], output)


def _as_pixels(graph: Graph, first: tuple[Any, Any], second: tuple[Any, Any]) -> None:
    """Do the two last steps, from a quarter of the side to the whole, by channels."""
    (weights, bias), (last, last_bias) = first, second
    places = [(row, column) for row in (0, 1) for column in (0, 1)]
    kernel = np.concatenate([weights[:, :, row, column].T for row, column in places])
    graph.conv("joined/relu", kernel[:, :, np.newaxis, np.newaxis], "half", np.tile(bias, 4))
    graph.add("Relu", ["half"], "half/relu")
    pixels = np.zeros((16, 4 * OUT, 1, 1))
    for at, (row, column) in enumerate(places):
        for low, right in places:
            pixel = (2 * row + low) * 4 + 2 * column + right
            pixels[pixel, at * OUT : (at + 1) * OUT, 0, 0] = last[:, 0, low, right]
    graph.conv("half/relu", pixels, "whole", np.tile(last_bias, 16))
    graph.add("Sigmoid", ["whole"], "whole/sigmoid")
    answer = graph.model.graph.output[0].name
    graph.nodes.remove(graph.maker(answer))
    graph.add("DepthToSpace", ["whole/sigmoid"], answer, blocksize=4, mode="DCR")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    arguments = parser.parse_args()
    data = arguments.source.read_bytes()
    if hashlib.sha256(data).hexdigest() != SOURCE_SHA256:
        sys.exit(f"{arguments.source} is not the file that was measured; nothing was written")
    graph = Graph(onnx.load_from_string(data))
    fold_scales(graph)
    fold_swishes(graph)
    rewrite_head(graph)
    lean = graph.written()
    arguments.target.write_bytes(lean)
    sys.stdout.write(f"{hashlib.sha256(lean).hexdigest()} {len(lean)}\n")


if __name__ == "__main__":
    main()
