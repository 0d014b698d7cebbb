import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The networks of the layer tests: every cell with every option, alone and combined.
struct NetworkCase: Sendable, CustomTestStringConvertible {
  var cell: CellOptions
  var layers = 1
  var bidirectional = false
  var dropout = 0.0
  var connection = LayerConnectionKind.none
  /// The options in words.
  var name = ""

  init(kind: CellOptions, layers: Int = 1, bidirectional: Bool = false, dropout: Double = 0) {
    cell = kind
    (self.layers, self.bidirectional, self.dropout) = (layers, bidirectional, dropout)
  }

  /// A cell with the options that `set` sets.
  init(
    _ name: String, _ kind: CellOptions, layers: Int = 1, bidirectional: Bool = false, dropout: Double = 0,
    connection: LayerConnectionKind = .none, _ set: (inout CellOptions) -> Void = { _ in }
  ) {
    self.init(kind: kind, layers: layers, bidirectional: bidirectional, dropout: dropout)
    self.connection = connection
    self.name = name
    set(&cell)
  }

  var kind: CellKind { cell.kind }
  /// Variational dropout hides parts of the inputs of the lowest layer.
  var masksInputs: Bool { cell.variationalInputDropout > 0 }

  var testDescription: String {
    "\(cell.testDescription) x \(layers) \(name)" + (bidirectional ? " bidirectional" : "")
      + (dropout > 0 ? " dropout \(dropout)" : "")
  }

  /// Every listed cell in its plain forms.
  static let kinds: [CellOptions] = CellKind.allCases.flatMap { kind -> [CellOptions] in
    switch kind {
    case .rnn: return [.rnn(activation: .tanh), .rnn(activation: .relu)]
    case .gru: return [.gru(reset: .after), .gru(reset: .before)]
    case .lstm: return [.lstm(forgetBias: 0), .lstm(forgetBias: 1)]
    default: return [CellOptions(kind)]
    }
  }

  /// Every listed cell alone, in its plain forms and with every option: the arguments of `checkCell`.
  static let cells: [NetworkCase] =
    kinds.map { NetworkCase(kind: $0) }
    + (lstmOptions + gruOptions + commonOptions).map { network in
      var single = network
      (single.layers, single.bidirectional, single.connection) = (1, false, .none)
      return single
    }

  /// Every cell stacked, in two directions, and both.
  static let networks: [NetworkCase] = kinds.flatMap { kind in
    [
      NetworkCase(kind: kind, layers: 2), NetworkCase(kind: kind, bidirectional: true),
      NetworkCase(kind: kind, layers: 2, bidirectional: true),
    ]
  }

  // MARK: Options

  /// Every option of an LSTM of 3 units or more, alone and all at once.
  private static let lstmOptions: [NetworkCase] = [
    NetworkCase("peepholes", .lstm(forgetBias: 1)) { $0.peepholes = true },
    NetworkCase("projection", .lstm(), layers: 2) { $0.projectionSize = 2 },
    NetworkCase("clips", .lstm()) { ($0.cellClip, $0.projectionSize, $0.projectionClip) = (0.3, 2, 0.12) },
    NetworkCase("coupled gates", .lstm(forgetBias: 1)) { $0.coupledGates = true },
    NetworkCase("layer norm", .lstm()) { $0.layerNorm = true },
    NetworkCase("everything", .lstm(), layers: 2, bidirectional: true, connection: .highway) {
      ($0.peepholes, $0.coupledGates, $0.layerNorm) = (true, true, true)
      ($0.cellClip, $0.projectionSize, $0.projectionClip) = (0.9, 2, 0.3)
      ($0.zoneoutCell, $0.zoneout) = (0.3, 0.2)
      ($0.variationalInputDropout, $0.variationalDropout) = (0.3, 0.4)
    },
  ]

  private static let gruOptions = [NetworkCase("layer norm", .gru()) { $0.layerNorm = true }]

  /// Options that every kind has, or may refuse.
  private static let commonOptions: [NetworkCase] = kinds.flatMap { kind in
    let cellZoneout: Double? = kind.kind == .lstm ? 0.4 : nil
    return [
      NetworkCase("zoneout", kind) { ($0.zoneoutCell, $0.zoneout) = (cellZoneout, 0.3) },
      NetworkCase("variational", kind, layers: 2) {
        $0.setVariationalDropout(input: 0.3, state: 0.4)
      },
    ]
  }

  private static let connections: [NetworkCase] = [
    NetworkCase("residual", .rnn(), layers: 3, dropout: 0.3, connection: .residual),
    NetworkCase("highway", .gru(), layers: 3, dropout: 0.3, connection: .highway),
    NetworkCase("residual", .lstm(), layers: 2, bidirectional: true, connection: .residual),
    NetworkCase("highway", .rnn(), layers: 2, bidirectional: true, connection: .highway),
  ]

  /// Multi-layer or bidirectional networks that between them cover all the less common options.
  static let options =
    (lstmOptions + commonOptions).filter { $0.layers > 1 || $0.bidirectional } + connections

  // MARK: Making one

  func options(hiddenSize: Int) -> NetworkOptions {
    NetworkOptions(
      cell, hiddenSize: hiddenSize, layers: layers, bidirectional: bidirectional, dropout: dropout,
      connection: connection)
  }

  /// The network and its parameters, with PyTorch's names.
  func make<Element: Scalar>(
    inputSize: Int, hiddenSize: Int, seed: UInt64 = 5
  ) throws -> (LayerStack<Element>, ParameterBuffer<Element>) {
    var builder = ParameterLayout.Builder()
    let stack = try LayerStack<Element>(options(hiddenSize: hiddenSize), inputSize: inputSize, in: &builder)
    let parameters = ParameterBuffer<Element>(builder.build(), seed: seed)
    if !name.isEmpty { parameters.roughen() }
    return (stack, parameters)
  }
}

extension CellOptions {
  /// Whether the cell has a recurrent product, whose state can be masked.
  var masksStates: Bool {
    var options = self
    options.variationalDropout = 0.5
    return (try? options.validate()) != nil
  }

  /// Sets the rates that the cell accepts.
  mutating func setVariationalDropout(input: Double, state: Double) {
    variationalInputDropout = input
    if masksStates { variationalDropout = state }
  }
}

extension CellOptions: CustomTestStringConvertible {
  public var testDescription: String { "\(kind) \(activation) \(gruReset) \(forgetBias)" }
}

extension ParameterBuffer {
  /// Moves every parameter by up to ±0.3: gains that are all 1 would hide a gain that is not applied.
  func roughen() {
    let noise: Tensor<Float> = randomTensor([count], stream: 77)
    for (index, value) in noise.values.enumerated() { elements[index] += Element(0.3 * value) }
    didChange()
  }
}
