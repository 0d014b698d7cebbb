import NumericKernels
import Options
import Parameters
import RecurrentNN
import Testing

@Suite struct CellOptionsTests {
  /// Options that exclude each other, with words that the message must contain.
  private static let refused: [(options: NetworkOptions, words: [String])] = {
    func network(
      _ kind: CellOptions, layers: Int = 2, _ set: (inout NetworkOptions) -> Void
    ) -> NetworkOptions {
      var options = NetworkOptions(kind, hiddenSize: 4, layers: layers)
      set(&options)
      return options
    }
    return [
      (
        network(.gru()) { $0.cell.peepholes = true },
        ["cell.peepholes", "is for cell.kind lstm", "not gru"]
      ),
      (network(.rnn()) { $0.cell.projectionSize = 2 }, ["cell.projectionSize", "not rnn"]),
      (network(.gru()) { $0.cell.cellClip = 1 }, ["cell.cellClip", "not gru"]),
      (network(.rnn()) { $0.cell.coupledGates = true }, ["cell.coupledGates", "not rnn"]),
      (
        network(.lstm()) { $0.cell.activation = .relu },
        ["cell.activation", "is for cell.kind rnn", "not lstm"]
      ),
      (network(.rnn()) { $0.cell.gruReset = .before }, ["cell.gruReset", "is for cell.kind gru", "not rnn"]),
      (network(.gru()) { $0.cell.forgetBias = 1 }, ["cell.forgetBias", "is for cell.kind lstm", "not gru"]),
      (network(.lstm()) { $0.cell.projectionClip = 1 }, ["cell.projectionClip", "set cell.projectionSize"]),
      (network(.lstm()) { $0.cell.projectionSize = 4 }, ["cell.projectionSize", "4 units", "at most 3"]),
      (network(.lstm()) { $0.cell.cellClip = 0 }, ["cell.cellClip", "is 0.0", "above 0"]),
      (network(.lstm()) { $0.cell.cellClip = .nan }, ["cell.cellClip", "nan"]),
      (
        network(.rnn()) { $0.cell.layerNorm = true },
        ["cell.layerNorm", "is for cell.kind gru, lstm", "not rnn"]
      ),
      (
        network(.gru(reset: .before)) { $0.cell.layerNorm = true },
        ["cell.layerNorm", "gruReset must be after"]
      ),
      (network(.gru()) { $0.cell.zoneoutCell = 0.1 }, ["cell.zoneoutCell", "not gru"]),
      (
        network(CellOptions(.mingru)) { $0.cell.variationalDropout = 0.1 },
        ["cell.variationalDropout", "kind mingru has none"]
      ),
      (
        network(CellOptions(.mingru)) { $0.cell.initialization = .orthogonal },
        ["cell.initialization", "recurrent weights"]
      ),
      (network(.gru()) { $0.cell.zoneout = 1 }, ["cell.zoneout", "is 1.0", "below 1"]),
      (network(.gru()) { $0.cell.variationalInputDropout = -0.1 }, ["cell.variationalInputDropout", "-0.1"]),
      (network(.gru()) { $0.cell.forgetGateInit = 1 }, ["cell.forgetGateInit", "not gru"]),
      (network(.gru(), layers: 1) { $0.highway = true }, ["highway", "second layer", "layers is 1"]),
      (network(.gru()) { ($0.residual, $0.highway) = (true, true) }, ["residual and highway exclude"]),
      (
        network(.gru()) { ($0.dropout, $0.cell.variationalInputDropout) = (0.1, 0.1) },
        ["variationalInputDropout and dropout both drop", "set one"]
      ),
      (
        network(.gru()) { $0.dropout = 1 },
        ["NetworkOptions: dropout is 1.0, expected at least 0.0 and below 1.0"]
      ),
      (network(.gru()) { $0.hiddenSize = 0 }, ["hiddenSize is 0", "from 1 to"]),
      (network(.gru()) { ($0.hiddenSize, $0.dropout) = (0, 2) }, ["hiddenSize is 0", "dropout is 2.0"]),
    ]
  }()

  @Test(arguments: refused.indices)
  func whatDoesNotGoTogetherIsRefused(index: Int) throws {
    let (options, words) = Self.refused[index]
    var builder = ParameterLayout.Builder()
    do {
      _ = try LayerStack<Float>(options, inputSize: 3, in: &builder)
      Issue.record("accepted: \(options)")
    } catch {
      for word in words { #expect(error.description.contains(word), "\(error)") }
    }
  }

  @Test func aDecoderAndAPyramidRefuseWhatTheyCannotBe() {
    var builder = ParameterLayout.Builder()
    let both = NetworkOptions(hiddenSize: 4, layers: 2, bidirectional: true)
    #expect(throws: OptionError.self) { try StackedCell<Float>(both, inputSize: 3, in: &builder) }
    let connected = NetworkOptions(hiddenSize: 4, layers: 2, connection: .residual)
    #expect(throws: OptionError.self) {
      try PyramidalEncoder<Float>(connected, inputSize: 3, in: &builder)
    }
  }

  @Test func optionsMakeTheirParameters() throws {
    var builder = ParameterLayout.Builder()
    var options = CellOptions.lstm()
    (options.peepholes, options.layerNorm, options.projectionSize) = (true, true, 3)
    let network = NetworkOptions(options, hiddenSize: 4, layers: 2, connection: .highway)
    let stack = try LayerStack<Float>(network, inputSize: 5, in: &builder)
    let layout = builder.build()
    #expect(stack.parameters == layout.parameters)
    let shapes = Dictionary(uniqueKeysWithValues: layout.parameters.map { ($0.name, $0.shape) })
    #expect(shapes["weight_ih_l0"] == [16, 5] && shapes["weight_hh_l0"] == [16, 3])
    #expect(shapes["weight_ih_l1"] == [16, 3] && shapes["weight_hr_l1"] == [3, 4])
    #expect(shapes["peephole_l0"] == [3, 4] && shapes["norm_ih_l1"] == [16])
    #expect(shapes["norm_c_l0"] == [4] && shapes["norm_c_bias_l0"] == [4])
    #expect(shapes["highway_weight_l1"] == [3, 3] && shapes["highway_bias_l1"] == [3])
    #expect(layout.parameters.count == 22)
    #expect(stack.outputSize == 3 && network.outputSize == 3)
    #expect(stack.stateSize == .stacked([.lstm(c: 4, h: 3), .lstm(c: 4, h: 3)]))
    // A decoder of the same options has the same parameters.
    var other = ParameterLayout.Builder()
    let cell = try StackedCell<Float>(network, inputSize: 5, in: &other)
    #expect(other.build().parameters == layout.parameters && cell.parameters == stack.parameters)
  }

  // MARK: Initial values

  private func parameters(
    _ kind: CellOptions, _ initialization: CellInitialization = .pytorch, override: Double? = nil,
    _ set: (inout CellOptions) -> Void = { _ in }
  ) throws -> (String) throws -> [Double] {
    var options = kind
    options.initialization = initialization
    set(&options)
    var builder = ParameterLayout.Builder(initializeAllUniform: override)
    _ = try LayerStack<Double>(NetworkOptions(options, hiddenSize: 16), inputSize: 8, in: &builder)
    let buffer = ParameterBuffer<Double>(builder.build(), seed: 3)
    return { name in Array(buffer.elements(try #require(buffer.layout[name]))) }
  }

  private func expectUniform(_ values: [Double], _ bound: Double) {
    let largest = values.reduce(0) { max($0, abs($1)) }
    #expect(largest <= bound && largest > 0.9 * bound)
  }

  @Test func schemesHaveTheirBounds() throws {
    let pytorch = try parameters(.gru())
    for name in ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"] { expectUniform(try pytorch(name), 0.25) }
    let uniform = try parameters(.gru(), override: 0.05)
    for name in ["weight_ih_l0", "weight_hh_l0", "bias_hh_l0"] { expectUniform(try uniform(name), 0.05) }
    let xavier = try parameters(.gru(), .xavier)
    expectUniform(try xavier("weight_ih_l0"), 0.5)  // √(6 / (8 + 16))
    expectUniform(try xavier("weight_hh_l0"), (6.0 / 32).squareRoot())
    #expect(try xavier("bias_ih_l0") == Array(repeating: 0, count: 48))
  }

  @Test func recurrentWeightsAreOrthogonalGateByGate() throws {
    let orthogonal = try parameters(.lstm(), .orthogonal)
    let weight = try orthogonal("weight_hh_l0")
    for gate in 0..<4 {
      for i in 0..<16 {
        for j in 0..<16 {
          let (a, b) = ((gate * 16 + i) * 16, (gate * 16 + j) * 16)
          #expect(abs(dot(Array(weight[a..<a + 16]), Array(weight[b..<b + 16])) - (i == j ? 1 : 0)) < 1e-13)
        }
      }
    }
    #expect(weight[0..<256] != weight[256..<512])
  }

  @Test func theForgetBiasIsTheInitialValueOfItsGate() throws {
    let forget = try parameters(.lstm()) { $0.forgetGateInit = 1 }
    let (input, state) = (try forget("bias_ih_l0"), try forget("bias_hh_l0"))
    #expect(input[16..<32].allSatisfy { $0 == 1 } && state[16..<32].allSatisfy { $0 == 0 })
    for gate in [0, 2, 3] {
      expectUniform(Array(input[gate * 16..<gate * 16 + 16]) + Array(state[gate * 16..<gate * 16 + 16]), 0.25)
    }
    let coupled = try parameters(.lstm()) { ($0.forgetGateInit, $0.coupledGates) = (2, true) }
    #expect(try coupled("bias_ih_l0")[0..<16].allSatisfy { $0 == 2 })
  }

  @Test func normalizationBeginsWithGainsOfOne() throws {
    let normal = try parameters(.lstm(), override: 0.1) { $0.layerNorm = true }
    for name in ["norm_ih_l0", "norm_hh_l0", "norm_c_l0"] {
      #expect(try normal(name).allSatisfy { $0 == 1 })
    }
    #expect(try normal("norm_c_bias_l0").allSatisfy { $0 == 0 })
    expectUniform(try normal("weight_ih_l0"), 0.1)
  }
}
