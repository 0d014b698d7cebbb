import Foundation
// `Checkpoints`, `NumericKernels`, `Optimizers` and `Parameters` are not imported, because one import must be enough.
import RecurrentNN
import Testing

/// A program outside this package needs one import to use the library.
@Suite struct LibraryTests {
  /// A model with a tied weight, in a separate file that is removed afterwards.
  private final class Fixture<Element: Scalar> {
    let layout: ParameterLayout
    let parameters: ParameterBuffer<Element>
    let path = FileManager.default.temporaryDirectory.appending(path: "\(UUID()).safetensors").path

    init(hiddenSize: Int = 3, cellSuffix: String = "_l0") {
      var builder = ParameterLayout.Builder()
      let table = builder.add("embedding.weight", [5, hiddenSize], .normal(standardDeviation: 1))
      _ = builder.scoped("rnn") {
        GRUCell<Element>(inputSize: hiddenSize, hiddenSize: hiddenSize, suffix: cellSuffix, in: &$0)
      }
      _ = builder.scoped("output") { SoftmaxOutput<Element>(sharing: table, in: &$0) }
      layout = builder.build()
      parameters = ParameterBuffer(layout, seed: 4)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  @Test func savedParametersAreLoadedBitForBit() throws {
    let saved = Fixture<Float>()
    try saved.parameters.save(to: saved.path)
    let loaded = ParameterBuffer<Float>(saved.layout)
    let version = loaded.version
    try loaded.load(from: saved.path)
    #expect(Array(loaded.elements) == Array(saved.parameters.elements))
    #expect(loaded.version > version, "packed copies must learn of it")
  }

  @Test func elementTypesAreConverted() throws {
    let (single, double) = (Fixture<Float>(), Fixture<Double>())
    try single.parameters.save(to: single.path)
    try double.parameters.load(from: single.path)
    #expect(double.parameters.elements.map { Float($0) } == Array(single.parameters.elements))
    try double.parameters.save(to: double.path)
    single.parameters.fill(0)
    try single.parameters.load(from: double.path)
    #expect(double.parameters.elements.map { Float($0) } == Array(single.parameters.elements))
  }

  /// For another size, another name, more or fewer parameters, the error names the file and the parameter, and nothing is
  /// overwritten.
  @Test func aFileOfAnotherModelIsRefused() throws {
    let saved = Fixture<Float>()
    try saved.parameters.save(to: saved.path)
    func problem(_ other: Fixture<Float>) -> ParameterFileError? {
      let before = Array(other.parameters.elements)
      let error = #expect(throws: ParameterFileError.self) { try other.parameters.load(from: saved.path) }
      #expect(Array(other.parameters.elements) == before)
      return error
    }
    let larger = problem(Fixture(hiddenSize: 4))
    #expect(larger?.problem == .shape(parameter: "embedding.weight", expected: [5, 4], found: [5, 3]))
    #expect(larger?.description.hasPrefix("\(saved.path): has embedding.weight with shape [5, 3]") == true)
    let renamed = problem(Fixture(cellSuffix: "_l1"))
    #expect(renamed?.problem == .missing(parameter: "rnn.weight_ih_l1", shape: [9, 3]))

    var builder = ParameterLayout.Builder()
    _ = builder.add("embedding.weight", [5, 3], .constant(0))
    let smaller = ParameterBuffer<Float>(builder.build())
    let error = #expect(throws: ParameterFileError.self) { try smaller.load(from: saved.path) }
    #expect(error?.problem == .unknown(tensor: "rnn.weight_ih_l0"))
  }

  @Test func aFileThatCannotBeReadOrWrittenIsNamed() throws {
    let fixture = Fixture<Float>()
    let missing = #expect(throws: ParameterFileError.self) { try fixture.parameters.load(from: fixture.path) }
    #expect(missing?.path == fixture.path && missing?.description.contains(fixture.path) == true)
    try Data("not a file of tensors".utf8).write(to: URL(filePath: fixture.path))
    #expect(throws: ParameterFileError.self) { try fixture.parameters.load(from: fixture.path) }
    #expect(throws: ParameterFileError.self) {
      try fixture.parameters.save(to: fixture.path + "/below/a.safetensors")
    }
  }

  /// A file whose content was changed after it was written.
  @Test func aDamagedFileIsRefused() throws {
    let fixture = Fixture<Float>()
    try fixture.parameters.save(to: fixture.path)
    let file = try FileHandle(forUpdating: URL(filePath: fixture.path))
    try file.seek(toOffset: try file.seekToEnd() - 1)
    try file.write(contentsOf: [0x55])
    try file.close()
    let error = #expect(throws: ParameterFileError.self) { try fixture.parameters.load(from: fixture.path) }
    #expect(error?.description.contains("damaged") == true)
  }

  /// Adam on a linear layer finds the weights with which the data were generated.
  @Test func anOptimizerUpdatesAModel() {
    var builder = ParameterLayout.Builder()
    let output = LinearOutput<Float>(inputSize: 2, size: 1, in: &builder)
    let parameters = ParameterBuffer<Float>(builder.build(), seed: 1)
    let gradients = ParameterBuffer<Float>(parameters.layout)
    let optimizer = Optimizer<Float>(settings: OptimizerSettings(kind: .adam), count: parameters.count)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    let arena = context.workspace.arena
    for _ in 0..<400 {
      gradients.fill(0)
      arena.scoped {
        let (x, y, dx) = (arena.matrix(4, 2), arena.matrix(4, 1), arena.matrix(4, 2))
        for (row, point) in [(0, 0), (0, 1), (1, 0), (1, 1)].enumerated() {
          (x[row, 0], x[row, 1]) = (Float(point.0), Float(point.1))
          y[row, 0] = 2 * x[row, 0] - 3 * x[row, 1] + 1
        }
        _ = output.loss(x, targets: y, gradient: dx, into: gradients, context)
      }
      optimizer.update(parameters, by: gradients, scale: 1.0 / 4, learningRate: 0.05, in: context.workspace)
    }
    for (found, expected) in zip(parameters.elements, [2, -3, 1] as [Float]) {
      #expect(abs(found - expected) < 1e-2)
    }
  }
}
