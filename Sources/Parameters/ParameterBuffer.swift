import NumericKernels

/// One flat buffer with a layout: the parameters of a model, or their gradients.
public final class ParameterBuffer<Element: Scalar> {
  public let layout: ParameterLayout
  private let base: UnsafeMutablePointer<Element>
  /// Whoever frees the memory.
  private let owner: AnyObject
  /// For each of the layout's tables the rows that were added to since the last ``clear()``.
  var touched: [TouchedRows] { didSet { spansAreKnown = false } }
  /// What ``spans`` found since a row was last touched, and its memory for the next time.
  var knownSpans: [Range<Int>] = []
  var spansAreKnown = false
  /// Grows with every change announced by ``didChange()``; packed copies of weights compare it with their
  /// own.
  public private(set) var version = 0

  /// A buffer of zeros.
  public convenience init(_ layout: ParameterLayout) {
    let storage = AlignedBuffer<Element>(count: layout.count)
    self.init(layout, in: storage.elements, owner: storage)
  }

  /// A buffer in memory of somebody else's, which is all zeros.
  ///
  /// - Parameters:
  ///   - memory: as many elements as the layout has.
  ///   - owner: keeps the memory; it is kept as long as the buffer.
  public init(_ layout: ParameterLayout, in memory: UnsafeMutableBufferPointer<Element>, owner: AnyObject) {
    precondition(memory.count >= layout.count, "\(memory.count) elements for \(layout.count) parameters")
    self.layout = layout
    if let start = memory.baseAddress {
      (base, self.owner) = (start, owner)
    } else {
      // A layout without parameters.
      let nothing = AlignedBuffer<Element>(count: 1)
      (base, self.owner) = (nothing.base, nothing)
    }
    touched = layout.tables.map { TouchedRows(capacity: $0.shape[0]) }
  }

  /// A buffer with the initial values each layer asked for, drawn from the seed: the same on every rank.
  public convenience init(_ layout: ParameterLayout, seed: UInt64) {
    self.init(layout)
    initialize(seed: seed)
  }

  /// All elements, in layout order.
  public var elements: UnsafeMutableBufferPointer<Element> { .init(start: base, count: count) }
  public var count: Int { layout.count }

  /// Pointer to the first element of a parameter.
  public func pointer(_ parameter: Parameter) -> UnsafeMutablePointer<Element> {
    base + parameter.offset
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

  public func fill(_ value: Element) {
    forgetTouched()
    value == 0 ? base.zeroElements(count: count) : base.update(repeating: value, count: count)
  }

  func forgetTouched() {
    for index in touched.indices { touched[index].removeAll() }
  }

  func pointer(at index: Int) -> UnsafeMutablePointer<Element> { base + index }

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
