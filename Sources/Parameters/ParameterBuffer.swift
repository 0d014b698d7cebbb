import NumericKernels

/// One flat buffer with a layout: the parameters of a model, or their gradients.
public final class ParameterBuffer<Element: Scalar> {
  public let layout: ParameterLayout
  private let storage: AlignedBuffer<Element>
  /// Grows with every change announced by ``didChange()``; packed copies of weights compare it with their
  /// own.
  public private(set) var version = 0

  /// A buffer of zeros.
  public init(_ layout: ParameterLayout) {
    self.layout = layout
    storage = AlignedBuffer(count: layout.count)
  }

  /// A buffer with the initial values each layer asked for, drawn from the seed: the same on every rank.
  public convenience init(_ layout: ParameterLayout, seed: UInt64) {
    self.init(layout)
    initialize(seed: seed)
  }

  /// All elements, in layout order.
  public var elements: UnsafeMutableBufferPointer<Element> { storage.elements }
  public var count: Int { storage.count }

  /// Pointer to the first element of a parameter.
  public func pointer(_ parameter: Parameter) -> UnsafeMutablePointer<Element> {
    storage.base + parameter.offset
  }

  /// A parameter as a matrix: [rows, columns] for two dimensions, [1, n] for one.
  public func matrix(_ parameter: Parameter) -> MatrixView<Element> {
    let columns = parameter.shape.last ?? 1
    return MatrixView(pointer(parameter), rows: parameter.count / columns, columns: columns)
  }

  /// The elements of a parameter.
  public func elements(_ parameter: Parameter) -> UnsafeMutableBufferPointer<Element> {
    .init(start: pointer(parameter), count: parameter.count)
  }

  public func fill(_ value: Element) { storage.fill(value) }

  /// Tells everybody who keeps a packed copy of a weight that the values have changed.
  public func didChange() { version += 1 }

  /// Overwrites every parameter with its initial values. Each has a stream of its own, so that adding a
  /// parameter does not change the numbers of those before it.
  public func initialize(seed: UInt64) {
    let key = RandomKey(seed: seed, purpose: .initialisation)
    for (index, (parameter, initializer)) in zip(layout.parameters, layout.initializers).enumerated() {
      initializer.fill(matrix(parameter), key: key, stream: UInt32(index))
    }
    didChange()
  }
}
