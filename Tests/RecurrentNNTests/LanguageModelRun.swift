import NumericKernels
import Parameters
import RecurrentNN

/// A language model with everything that a call needs: parameters, workspace, state.
final class LanguageModelRun<Element: Scalar> {
  let model: LanguageModel<Element>
  let parameters: ParameterBuffer<Element>
  let batchSize: Int
  /// The state's matrices, bottom layer first, h before c; carried from call to call.
  let state: [MatrixView<Element>]
  let context: LayerContext<Element>
  /// Steps between kept states.
  let segment: Int?
  private let scratch = Scratch<Element>()

  init(
    _ model: LanguageModel<Element>, _ parameters: ParameterBuffer<Element>, batchSize: Int,
    dropout: DropoutContext? = nil, workspace: Workspace<Element> = Workspace(), segment: Int? = nil
  ) {
    self.segment = segment
    self.model = model
    self.parameters = parameters
    self.batchSize = batchSize
    let memory = scratch
    state = model.stateParts.map { memory.matrix(rows: batchSize, columns: $0) }
    context = LayerContext(parameters: parameters, workspace: workspace, dropout: dropout)
  }

  /// Loss and gradients of a block of time-major tokens, [steps, batchSize] unless lengths (in sorted order)
  /// are given.
  func evaluate(
    _ tokens: [Int], _ targets: [Int], lengths: [Int]? = nil, into gradients: ParameterBuffer<Element>? = nil
  ) -> LossSum {
    let layout = PackedLayout(
      lengths: lengths ?? Array(repeating: tokens.count / batchSize, count: batchSize))
    let batch = LanguageModelBatch<Element>(
      layout: layout, tokens: scratch.indices(tokens), targets: scratch.indices(targets))
    return model.evaluate(batch, state: state, segment: segment, into: gradients, context)
  }

  /// Advances every stream by one token; returns the logits [batchSize, V].
  func step(_ tokens: [Int]) -> [Element] {
    let logits = scratch.matrix(rows: batchSize, columns: model.shape.vocabularySize)
    logits.fill(.nan)  // Overwritten, not added to.
    model.step(
      UnsafeBufferPointer(start: scratch.indices(tokens), count: tokens.count), state: state, logits: logits,
      context)
    return values(logits)
  }

  private func parts(_ offset: Int, of count: Int) -> [Element] {
    stride(from: offset, to: state.count, by: count).flatMap { values(state[$0]) }
  }

  /// Hidden states of all layers, [layers, B, H].
  var hidden: [Element] { parts(0, of: state.count / model.shape.options.network.layers) }
  /// Cell states of an LSTM, [layers, B, H].
  var cells: [Element] { parts(1, of: 2) }
}

extension GoldenFile {
  /// The language model whose sizes are in the file's options.
  func languageModel<Element: Scalar>() throws -> LanguageModel<Element> {
    try LanguageModel(
      LanguageModelShape(
        vocabularySize: size("vocabulary_size"), embeddingSize: size("embedding_size"),
        network: NetworkOptions(try cellKind(), hiddenSize: size("hidden_size"), layers: size("layers")),
        tieEmbeddings: flag("tie_embeddings"),
        cutoffs: text("cutoffs")?.split(separator: ",").compactMap { Int($0) } ?? [],
        clusterFactor: text("cluster_factor").flatMap(Double.init) ?? 4))
  }
}

extension LanguageModelShape {
  /// A model whose options are written in one expression. By default, nothing of the embedding is dropped.
  init(
    vocabularySize: Int, embeddingSize: Int, network: NetworkOptions, embeddingDropout: Double = 0,
    tieEmbeddings: Bool = false, cutoffs: [Int] = [], clusterFactor: Double = 4,
    uniformInitialization: Double? = nil
  ) {
    var options = ModelOptions()
    options.network = network
    (options.embeddingSize, options.embeddingDropout) = (embeddingSize, embeddingDropout)
    (options.tieEmbeddings, options.initUniform) = (tieEmbeddings, uniformInitialization)
    (options.adaptiveCutoffs, options.adaptiveFactor) = (cutoffs, clusterFactor)
    self.init(options, vocabularySize: vocabularySize)
  }
}
