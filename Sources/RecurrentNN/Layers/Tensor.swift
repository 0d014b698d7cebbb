import NumericKernels

/// An array of numbers with a shape, row-major: the arguments and results of the public calls.
///
/// Inside a training step the library works on `MatrixView`s of one arena; a tensor is the convenient form
/// outside.
public struct Tensor<Element: Scalar>: Sendable, Equatable {
  public let shape: [Int]
  /// The elements, the last dimension running fastest.
  public var values: [Element]

  /// Requires as many values as the shape has elements.
  public init(_ shape: [Int], _ values: [Element]) {
    precondition(
      values.count == shape.reduce(1, *), "\(values.count) values for a tensor of shape \(shape)")
    self.shape = shape
    self.values = values
  }

  /// A tensor with the same value everywhere.
  public init(_ shape: [Int], repeating value: Element) {
    self.init(shape, Array(repeating: value, count: shape.reduce(1, *)))
  }

  /// A tensor of numbers drawn from U(-1, 1), the same for the same seed.
  public init(shape: [Int], seed: UInt64) {
    self.init(shape, repeating: 0)
    let key = RandomKey(seed: seed, purpose: .generatedData)
    values.withUnsafeMutableBufferPointer {
      Element.fillUniform($0, low: -1, high: 1, key: key, stream: 0)
    }
  }

  public static func zeros(_ shape: [Int]) -> Tensor { Tensor(shape, repeating: 0) }

  /// Element at the given index of each dimension.
  public subscript(indices: Int...) -> Element {
    get { values[position(indices)] }
    set { values[position(indices)] = newValue }
  }

  private func position(_ indices: [Int]) -> Int {
    precondition(indices.count == shape.count, "\(indices.count) indices for a tensor of shape \(shape)")
    var position = 0
    for (index, extent) in zip(indices, shape) {
      precondition(index >= 0 && index < extent, "index \(indices) outside of shape \(shape)")
      position = position * extent + index
    }
    return position
  }

  /// Copies a matrix view.
  init(copying view: MatrixView<Element>) {
    var values: [Element] = []
    values.reserveCapacity(view.count)
    for row in 0..<view.rows {
      values.append(contentsOf: UnsafeBufferPointer(start: view.row(row), count: view.columns))
    }
    self.init([view.rows, view.columns], values)
  }

  /// Copies a tensor of two dimensions into an arena.
  func copied(to arena: Arena<Element>) -> MatrixView<Element> {
    let view = arena.matrix(shape[0], shape[1])
    view.base.copyElements(from: values, count: values.count)
    return view
  }
}
