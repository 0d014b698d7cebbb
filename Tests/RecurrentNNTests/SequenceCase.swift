import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Data and options for a tagger or a classifier, small enough for central differences.
struct SequenceCase: Sendable, CustomTestStringConvertible {
  enum Input: Sendable { case tokens, words(CellOptions), vectors }

  let name: String
  let input: Input
  var cell = CellOptions.gru()
  var layers = 1
  var bidirectional = false
  var dropout = 0.0
  var inputDropout = 0.0
  var wordDropout = 0.0
  var smoothing = 0.0
  /// Projection, variational dropout, zoneout, and connections around layers.
  var extendsCells = false
  var lengths = [3, 0, 4, 1]

  var testDescription: String { name }
  /// True if the loss depends on masks.
  var dropsSomething: Bool { extendsCells || dropout + inputDropout + wordDropout > 0 }
  var steps: Int { lengths.reduce(0, +) }

  var network: SequenceNetworkShape {
    let shape: InputShape =
      switch input {
      case .tokens: .tokens(vocabularySize: 5, embeddingSize: 3)
      case .words(let cell):
        .words(
          vocabularySize: 5, embeddingSize: 3,
          characters: CharacterShape(vocabularySize: 4, embeddingSize: 2, hiddenSize: 3, cell: cell))
      case .vectors: .vectors(size: 3)
      }
    var result = SequenceNetworkShape(
      encoder: EncoderShape(
        shape, cell: cell, hiddenSize: 4, layers: layers, bidirectional: bidirectional, dropout: dropout,
        embeddingDropout: inputDropout),
      outputDropout: dropout)
    if wordDropout > 0 { result.encoder.wordDropout = WordDropout(rate: wordDropout, unknown: 1) }
    if extendsCells {
      result.encoder.network.cell.projectionSize = 2
      (result.encoder.network.cell.variationalInputDropout, result.encoder.network.cell.variationalDropout) =
        (0.3, 0.3)
      (result.encoder.network.cell.zoneoutCell, result.encoder.network.cell.zoneout) = (0.2, 0.2)
      result.encoder.network.connection = .residual
    }
    return result
  }

  var data: SequenceData {
    let tokens = (0..<steps).map { ($0 * 3 + $0 / 2) % 5 }
    let content: SequenceData.Content =
      switch input {
      case .tokens: .tokens(tokens)
      case .words:
        // One word without characters.
        .words(
          tokens, index: (0..<steps).map { $0 * 2 % 4 }, lengths: [2, 0, 4, 1],
          characters: [1, 3, 0, 2, 2, 1, 3])
      case .vectors:
        .vectors((exactTensor([steps, 3], stream: 40) as Tensor<Double>).values, width: 3)
      }
    return SequenceData(lengths: lengths, content: content)
  }

  var masks: SampleMasks {
    SampleMasks(seed: 3, step: 5, samples: lengths.indices.map { UInt32(10 + 3 * $0) })
  }

  /// Classes, some of them unknown.
  static func classes(_ count: Int, of classes: Int, unknown: Set<Int> = []) -> TargetData {
    .classes((0..<count).map { unknown.contains($0) ? -1 : ($0 * 7 + $0 / 3) % classes })
  }

  /// Bits; the steps in `unknown` have none.
  static func bits(_ count: Int, width: Int, unknown: Set<Int> = []) -> TargetData {
    .bits(
      (0..<count * width).map { unknown.contains($0 / width) ? -1 : Double(($0 * 5 + $0 / 4) % 2) },
      width: width)
  }

  static func numbers(_ count: Int, width: Int) -> TargetData {
    .numbers((exactTensor([count, width], stream: 41) as Tensor<Double>).values, width: width)
  }
}
