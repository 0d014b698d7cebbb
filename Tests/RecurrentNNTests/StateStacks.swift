import NumericKernels
import RecurrentNN

// PyTorch keeps the states of all layers and directions in one tensor [layers · directions, B, H]; ours is a
// tree whose leaves are in the same order.

extension CellState {
  /// A state of the given size whose leaves are the entries of `h` (and of `c`), each [S, B, H].
  init(_ size: StateSize, h: Tensor<Element>, c: Tensor<Element>?) {
    var leaf = 0
    self.init(size, h: h, c: c, leaf: &leaf)
  }

  private init(_ size: StateSize, h: Tensor<Element>, c: Tensor<Element>?, leaf: inout Int) {
    switch size {
    case .stacked(let sizes):
      var states: [CellState] = []
      for size in sizes { states.append(CellState(size, h: h, c: c, leaf: &leaf)) }
      self = .stacked(states)
    case .vector:
      self = .vector(h.entry(leaf))
      leaf += 1
    case .lstm:
      self = .lstm(c: (c ?? h).entry(leaf), h: h.entry(leaf))
      leaf += 1
    }
  }

  /// The leaves: states of single cells, the lowest layer first, forward before backward.
  var leaves: [CellState] {
    if case .stacked(let states) = self { states.flatMap(\.leaves) } else { [self] }
  }

  /// All hidden states, [S, B, H] without the outer shape.
  var stackedH: [Element] { leaves.flatMap(\.h.values) }
  /// All cell states; empty without any.
  var stackedC: [Element] { leaves.flatMap { $0.c?.values ?? [] } }
}

extension Tensor {
  /// Entry `index` of the first dimension.
  fileprivate func entry(_ index: Int) -> Tensor {
    let rest = Array(shape.dropFirst())
    let count = rest.reduce(1, *)
    return Tensor(rest, Array(values[index * count..<(index + 1) * count]))
  }
}
