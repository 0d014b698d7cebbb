import NumericKernels
import Parameters
import RecurrentNN
import Testing

@Suite struct CellOptionsTests {
  /// Options that exclude each other, with words the message must hold.
  private static let refused: [(options: NetworkOptions, words: [String])] = {
    func network(
      _ kind: CellKind, layers: Int = 2, _ set: (inout NetworkOptions) -> Void
    ) -> NetworkOptions {
      var options = NetworkOptions(CellOptions(kind), hiddenSize: 4, layers: layers)
      set(&options)
      return options
    }
    return [
      (network(.gru()) { $0.cell.peepholes = true }, ["peepholes", "cell: gru", "cell state"]),
      (network(.rnn()) { $0.cell.projectionSize = 2 }, ["projection_size", "cell: rnn"]),
      (network(.gru()) { $0.cell.cellClip = 1 }, ["cell_clip", "cell: gru"]),
      (network(.rnn()) { $0.cell.coupledGates = true }, ["coupled_gates", "cell: rnn"]),
      (network(.lstm()) { $0.cell.projectionClip = 1 }, ["projection_clip", "projection_size"]),
      (network(.lstm()) { $0.cell.projectionSize = 4 }, ["projection_size", "4", "1 to", "3"]),
      (network(.lstm()) { $0.cell.cellClip = 0 }, ["cell_clip", "0.0", "above 0"]),
      (network(.lstm()) { $0.cell.cellClip = .nan }, ["cell_clip", "nan"]),
      (network(.rnn()) { $0.cell.layerNorm = true }, ["layer_norm", "cell: rnn"]),
      (
        network(.gru(reset: .before)) { $0.cell.layerNorm = true },
        ["layer_norm", "gru_reset: before", "take after"]
      ),
      (network(.gru()) { $0.cell.zoneout.cell = 0.1 }, ["zoneout.cell", "cell: gru"]),
      (network(.gru()) { $0.cell.zoneout.hidden = 1 }, ["zoneout.hidden", "1.0", "below 1"]),
      (network(.gru()) { $0.cell.variationalDropout.input = -0.1 }, ["variational_dropout.input", "-0.1"]),
      (network(.gru()) { $0.cell.initialization.forgetBias = 1 }, ["init_forget_bias", "cell: gru"]),
      (
        network(.gru()) { $0.cell.initialization.scheme = .uniform(0) },
        ["init_uniform", "0.0", "above 0"]
      ),
      (
        network(.gru(), layers: 1) { $0.connection = .highway },
        ["connection: highway", "layers: 1", "second layer"]
      ),
      (
        network(.gru()) { ($0.dropout, $0.cell.variationalDropout.input) = (0.1, 0.1) },
        ["dropout", "variational_dropout.input", "set one"]
      ),
      (network(.gru()) { $0.dropout = 1 }, ["dropout", "1.0"]),
      (network(.gru()) { $0.hiddenSize = 0 }, ["hidden_size", "0", "1 or more"]),
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
    #expect(throws: CellOptionsError.self) { try StackedCell<Float>(both, inputSize: 3, in: &builder) }
    let connected = NetworkOptions(hiddenSize: 4, layers: 2, connection: .residual)
    #expect(throws: CellOptionsError.self) {
      try PyramidalEncoder<Float>(connected, inputSize: 3, in: &builder)
    }
  }

  @Test func optionsMakeTheirParameters() throws {
    var builder = ParameterLayout.Builder()
    var options = CellOptions(.lstm())
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

  @Test func aSingleCellFromItsOptions() throws {
    var options = CellOptions(.lstm())
    options.coupledGates = true
    var builder = ParameterLayout.Builder()
    let cell: any RecurrentCell<Float> = try makeCell(options, inputSize: 2, hiddenSize: 3, in: &builder)
    #expect(cell.parameters.map(\.name) == ["weight_ih", "weight_hh", "bias_ih", "bias_hh"])
    #expect(cell.parameters[0].shape == [9, 2])
    options.cellClip = -1
    #expect(throws: CellOptionsError.self) {
      let _: any RecurrentCell<Float> = try makeCell(
        options, inputSize: 2, hiddenSize: 3, suffix: "_b", in: &builder)
    }
  }

  // MARK: First values

  private func parameters(
    _ kind: CellKind, _ initialization: CellInitialization, override: Double? = nil,
    _ set: (inout CellOptions) -> Void = { _ in }
  ) throws -> (String) throws -> [Double] {
    var options = CellOptions(kind)
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
    let pytorch = try parameters(.gru(), CellInitialization())
    for name in ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0"] { expectUniform(try pytorch(name), 0.25) }
    let uniform = try parameters(.gru(), CellInitialization(.uniform(0.05)))
    for name in ["weight_ih_l0", "weight_hh_l0", "bias_hh_l0"] { expectUniform(try uniform(name), 0.05) }
    let xavier = try parameters(.gru(), CellInitialization(.xavier))
    expectUniform(try xavier("weight_ih_l0"), 0.5)  // √(6 / (8 + 16))
    expectUniform(try xavier("weight_hh_l0"), (6.0 / 32).squareRoot())
    #expect(try xavier("bias_ih_l0") == Array(repeating: 0, count: 48))
  }

  @Test func recurrentWeightsAreOrthogonalGateByGate() throws {
    let orthogonal = try parameters(.lstm(), CellInitialization(.xavier, orthogonalRecurrent: true))
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

  @Test func theForgetBiasIsTheFirstValueOfItsGate() throws {
    let forget = try parameters(.lstm(), CellInitialization(forgetBias: 1))
    let (input, state) = (try forget("bias_ih_l0"), try forget("bias_hh_l0"))
    #expect(input[16..<32].allSatisfy { $0 == 1 } && state[16..<32].allSatisfy { $0 == 0 })
    for gate in [0, 2, 3] {
      expectUniform(Array(input[gate * 16..<gate * 16 + 16]) + Array(state[gate * 16..<gate * 16 + 16]), 0.25)
    }
    let coupled = try parameters(.lstm(), CellInitialization(forgetBias: 2)) { $0.coupledGates = true }
    #expect(try coupled("bias_ih_l0")[0..<16].allSatisfy { $0 == 2 })
  }

  @Test func normalizationBeginsWithGainsOfOne() throws {
    let normal = try parameters(.lstm(), CellInitialization(), override: 0.1) { $0.layerNorm = true }
    for name in ["norm_ih_l0", "norm_hh_l0", "norm_c_l0"] {
      #expect(try normal(name).allSatisfy { $0 == 1 })
    }
    #expect(try normal("norm_c_bias_l0").allSatisfy { $0 == 0 })
    expectUniform(try normal("weight_ih_l0"), 0.1)
  }
}
