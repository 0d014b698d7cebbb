import NumericKernels
import Parameters

/// A network of equal layers with all its options: what a configuration fills.
public struct NetworkOptions: Sendable, Hashable {
  public var cell: CellOptions
  /// Units of each cell.
  public var hiddenSize: Int
  public var layers: Int
  /// Every layer reads the sequences in both directions; its output is twice as wide.
  public var bidirectional: Bool
  /// Probability to drop a unit between two layers, in 0..<1.
  public var dropout: Double
  /// What leads around every layer but the lowest.
  public var connection: LayerConnectionKind

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

  /// Width of the network's output.
  public var outputSize: Int { cell.outputSize(hiddenSize: hiddenSize) * (bidirectional ? 2 : 1) }

  /// Throws ``CellOptionsError`` if options exclude each other or are out of range.
  public func validate() throws(CellOptionsError) {
    for (name, value) in [("hidden_size", hiddenSize), ("layers", layers)] where value < 1 {
      throw .outOfRange(name, "\(value)", allowed: "1 or more")
    }
    if !(0..<1).contains(dropout) {
      throw .outOfRange("dropout", "\(dropout)", allowed: "0 to below 1")
    }
    if connection != .none && layers < 2 {
      throw .incompatible(
        "connection: \(connection.rawValue)", "layers: 1",
        because: "connections lead around the second layer and those above it")
    }
    if dropout > 0 && cell.variationalDropout.input > 0 && layers > 1 {
      throw .incompatible(
        "dropout", "variational_dropout.input",
        because: "both drop the inputs of the upper layers; set one of them to 0")
    }
    try cell.validate(hiddenSize: hiddenSize)
  }

  /// One layer: a cell, or one for each direction. Its parameters have the suffix `_l` + its number.
  func makeLayer<Element: Scalar>(
    _ index: Int, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) -> any SequenceLayer<Element> {
    func makeCell(isReverse: Bool) -> any RecurrentCell<Element> {
      cell.makeCell(
        inputSize: inputSize, hiddenSize: hiddenSize, suffix: "_l\(index)" + (isReverse ? "_reverse" : ""),
        at: CellPosition(layer: index, isReverse: isReverse), in: &builder)
    }
    let forward = makeCell(isReverse: false)
    return bidirectional ? Bidirectional(distinct: forward, makeCell(isReverse: true)) : forward
  }
}

extension LayerStack {
  /// A network of equal layers with PyTorch's parameter names: `weight_ih_l0`, …, `weight_ih_l0_reverse`, …
  ///
  /// - Parameters:
  ///   - options: cells, sizes, and what stands between the layers.
  ///   - inputSize: width of the input vectors.
  /// - Throws: ``CellOptionsError`` if options exclude each other or are out of range.
  public init(
    _ options: NetworkOptions, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) throws(CellOptionsError) {
    try options.validate()
    self.init(valid: options, inputSize: inputSize, in: &builder)
  }

  /// A network of equal layers with the usual options only.
  ///
  /// - Parameters:
  ///   - inputSize: width of the input vectors.
  ///   - hiddenSize: units of each cell; a bidirectional layer's output is twice as wide.
  ///   - dropout: probability to drop a unit between two layers, in 0..<1.
  public init(
    _ kind: CellKind, inputSize: Int, hiddenSize: Int, layers: Int, bidirectional: Bool = false,
    dropout: Double = 0, in builder: inout ParameterLayout.Builder
  ) throws(RepeatedCellError) {
    self.init(
      valid: NetworkOptions(
        CellOptions(kind), hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional,
        dropout: dropout), inputSize: inputSize, in: &builder)
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
  /// A network of equal cells that can be stepped: what a decoder is made of. Parameter names as in
  /// ``LayerStack/init(_:inputSize:in:)``.
  ///
  /// - Throws: ``CellOptionsError`` if options exclude each other or are out of range, or ask for two directions.
  public init(
    _ options: NetworkOptions, inputSize: Int, in builder: inout ParameterLayout.Builder
  ) throws(CellOptionsError) {
    try options.validate()
    if options.bidirectional {
      throw .incompatible(
        "bidirectional", "a decoder", because: "a network that writes step by step can't read from the end")
    }
    var (cells, connections): ([any RecurrentCell<Element>], [LayerConnection]) = ([], [])
    var width = inputSize
    for index in 0..<options.layers {
      let cell: any RecurrentCell<Element> = options.cell.makeCell(
        inputSize: width, hiddenSize: options.hiddenSize, suffix: "_l\(index)",
        at: CellPosition(layer: index), in: &builder)
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
