import NumericKernels
import Options
import Parameters

/// A network of equal layers with all its options.
public struct NetworkOptions: Options, Hashable {
  public var cell = CellOptions()
  /// Units of each cell; in a bidirectional layer, of each direction.
  public var hiddenSize = 256
  public var layers = 1
  /// Whether every layer reads the sequences in both directions; its output is then twice as wide.
  public var bidirectional = false
  /// Probability of dropping a unit between two layers.
  public var dropout = 0.0
  /// Whether the input of every layer but the lowest is added to its output (Wu et al. 2016, equation 4).
  public var residual = false
  /// Whether a learned gate mixes the input of every layer but the lowest with its output (Srivastava et al. 2015,
  /// equation 3).
  public var highway = false

  public init() {}

  public init(
    _ cell: CellOptions = CellOptions(), hiddenSize: Int, layers: Int = 1, bidirectional: Bool = false,
    dropout: Double = 0, connection: LayerConnectionKind = .none
  ) {
    self.cell = cell
    self.hiddenSize = hiddenSize
    self.layers = layers
    self.bidirectional = bidirectional
    self.dropout = dropout
    self.connection = connection
  }

  /// The connection around every layer but the lowest.
  public var connection: LayerConnectionKind {
    get { residual ? .residual : highway ? .highway : .none }
    set { (residual, highway) = (newValue == .residual, newValue == .highway) }
  }

  /// Width of the network's output.
  public var outputSize: Int { cell.outputSize(hiddenSize: hiddenSize) * (bidirectional ? 2 : 1) }

  public func check(_ checks: inout OptionChecks<Self>) {
    checks.include(\.cell)
    checks.bound(\.hiddenSize, .within(1...65_536))
    checks.bound(\.layers, .within(1...64))
    checks.bound(\.dropout, .from(0, below: 1))
    checks.read(
      \.residual, if: layers > 1, with: \.layers, otherwise: "begins at the second layer; \(\.layers) is 1")
    checks.read(
      \.highway, if: layers > 1, with: \.layers, otherwise: "begins at the second layer; \(\.layers) is 1")
    if residual, highway {
      checks.refuse(\.residual, with: \.highway, because: "and \(\.highway) exclude each other")
    }
    if let width = cell.projectionSize, cell.kind == .lstm, width >= hiddenSize {
      checks.refuse(
        \.cell.projectionSize, with: \.cell.kind, \.hiddenSize,
        because: "projects \(hiddenSize) units to fewer numbers: at most \(hiddenSize - 1), or null")
    }
    if cell.variationalInputDropout > 0, dropout > 0 {
      checks.refuse(
        \.cell.variationalInputDropout, with: \.dropout,
        because: "and \(\.dropout) both drop what layers read: set one of them to 0")
    }
  }

  /// One layer: a cell, or one for each direction. The names of its parameters end in `_l` and its number.
  func makeLayer<Element: Scalar>(
    _ index: Int, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) -> any SequenceLayer<Element> {
    func makeCell(isReverse: Bool) -> any RecurrentCell<Element> {
      CellSetup(
        inputSize: inputSize, hiddenSize: hiddenSize, options: cell,
        suffix: "_l\(index)" + (isReverse ? "_reverse" : ""),
        position: CellPosition(layer: index, isReverse: isReverse)
      ).makeCell(in: &builder)
    }
    let forward = makeCell(isReverse: false)
    return bidirectional ? Bidirectional(distinct: forward, makeCell(isReverse: true)) : forward
  }
}

extension LayerStack {
  /// A network of equal layers with PyTorch's parameter names: `weight_ih_l0`, …, `weight_ih_l0_reverse`, …
  ///
  /// - Parameters:
  ///   - options: cells, sizes, dropout and connections between the layers.
  ///   - inputSize: width of the input vectors.
  /// - Throws: `OptionError` if options exclude each other or are out of range.
  public init(
    _ options: NetworkOptions, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) throws(OptionError) {
    try options.validate()
    self.init(valid: options, inputSize: inputSize, in: &builder)
  }

  init(valid options: NetworkOptions, inputSize: Int, in builder: inout ParameterLayout.Builder) {
    var (layers, connections): ([any SequenceLayer<Element>], [LayerConnection]) = ([], [])
    var width = inputSize
    for index in 0..<options.layers {
      let layer: any SequenceLayer<Element> = options.makeLayer(index, inputSize: width, in: &builder)
      if index > 0 {
        connections.append(
          LayerConnection(options.connection, size: layer.outputSize, suffix: "_l\(index)", in: &builder))
      }
      layers.append(layer)
      width = layer.outputSize
    }
    self.init(distinct: layers, dropout: options.dropout, connections: connections)
  }
}

extension StackedCell {
  /// A network of equal cells that can be stepped, as a decoder needs it. Parameter names as in
  /// ``LayerStack/init(_:inputSize:in:)``.
  ///
  /// - Throws: `OptionError` if options exclude each other or are out of range, or ask for two directions.
  public init(
    _ options: NetworkOptions, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) throws(OptionError) {
    try options.validate()
    if options.bidirectional {
      throw options.error(
        \.bidirectional, because: "is not for a decoder: writing step by step, it can't read from the end")
    }
    self.init(valid: options, inputSize: inputSize, in: &builder)
  }

  init(valid options: NetworkOptions, inputSize: Int, in builder: inout ParameterLayout.Builder) {
    var (cells, connections): ([any RecurrentCell<Element>], [LayerConnection]) = ([], [])
    var width = inputSize
    for index in 0..<options.layers {
      let cell: any RecurrentCell<Element> = CellSetup(
        inputSize: width, hiddenSize: options.hiddenSize, options: options.cell, suffix: "_l\(index)",
        position: CellPosition(layer: index)
      ).makeCell(in: &builder)
      width = cell.outputSize
      if index > 0 {
        connections.append(
          LayerConnection(options.connection, size: width, suffix: "_l\(index)", in: &builder))
      }
      cells.append(cell)
    }
    self.init(distinct: cells, dropout: options.dropout, connections: connections)
  }
}
