import Checkpoints
import Communication
import Configuration
import Datasets
import NumericKernels
import Parameters
import RecurrentNN
import RunLog

extension LanguageModelShape {
  /// The model a configuration describes, for a vocabulary.
  public init(_ model: ModelOptions, vocabularySize: Int) {
    self.init(
      vocabularySize: vocabularySize, embeddingSize: model.embeddingSize,
      network: model.network, embeddingDropout: model.inputDropout, tieEmbeddings: model.tieEmbeddings,
      uniformInitialization: model.initUniform)
    cutoffs = model.adaptiveCutoffs
    clusterFactor = model.adaptiveFactor
  }

  /// Throws ``TrainingFailure`` if clusters of rare tokens begin beyond the vocabulary.
  package func requireFittingCutoffs() throws {
    guard cutoffs.isEmpty || AdaptiveSoftmaxOutput<Float>.areCutoffs(cutoffs, of: vocabularySize) else {
      throw TrainingFailure.unfittingData(
        "model.adaptive_cutoffs \(cutoffs) must all be below the size of the vocabulary, \(vocabularySize)")
    }
  }
}

/// The language model as a training task: B parallel streams of one text, read in chunks, their states
/// carried from chunk to chunk (truncated backpropagation through time).
///
/// Shards are ranges of streams. States of this rank's streams are kept between steps; random numbers are
/// keyed by the global number of the stream.
package final class LanguageModelTask: TrainingTask {
  package let model: LanguageModel<Float>
  package let parameters: ParameterBuffer<Float>
  package let corpus: TextCorpus
  private let batcher: StreamBatches
  private let plan: ShardPlan
  private let seed: UInt64
  private let labelSmoothing: Double
  private let evaluationStreams: Int
  private let evaluationSteps: Int
  package let workspace: Workspace<Float>
  private let segment: Int?
  /// State before the next chunk, by shard of this rank, one matrix [streams, part] for each part of the
  /// state.
  private var carried: [Int: [AlignedMatrix]]
  /// All streams' states, gathered for a checkpoint.
  private var gathered: [AlignedMatrix] = []

  /// Throws `DataError` if the text is too short for the configured streams.
  package init(_ configuration: RunConfiguration, corpus: TextCorpus, plan: ShardPlan) throws {
    let shape = LanguageModelShape(configuration.model, vocabularySize: corpus.vocabulary.count)
    try shape.requireFittingCutoffs()
    model = try LanguageModel<Float>(shape)
    let states = configuration.training.batchSize.multipliedReportingOverflow(
      by: model.stateParts.reduce(0, +))
    try ModelMemory.require(
      model.layout, copies: ModelMemory.copies(configuration.training),
      further: states.overflow ? .max : states.partialValue)
    parameters = ParameterBuffer(model.layout, seed: UInt64(configuration.seed))
    self.corpus = corpus
    self.plan = plan
    workspace = Workspace(precision: configuration.training.precision)
    segment = configuration.training.recompute > 0 ? configuration.training.recompute : nil
    seed = UInt64(configuration.seed)
    labelSmoothing = configuration.training.labelSmoothing
    evaluationStreams = configuration.evaluation.batchSize
    evaluationSteps = configuration.training.bptt
    batcher = try StreamBatches(
      tokenCount: corpus.train.count, streams: configuration.training.batchSize,
      steps: configuration.training.bptt, dropLast: configuration.training.dropLastChunk,
      name: configuration.data.train?.file ?? "the generated text")
    let parts = model.stateParts
    carried = [:]
    for shard in plan.own {
      let streams = plan.items(of: shard, count: batcher.streams).count
      carried[shard] = parts.map { AlignedMatrix(rows: streams, columns: $0) }
    }
  }

  package var size: TaskSize {
    TaskSize(
      vocabulary: corpus.vocabulary.count, trainTokens: corpus.train.count,
      validTokens: corpus.valid?.count ?? 0, trainExamples: 1, validExamples: 1)
  }
  package var microbatchesPerEpoch: Int { batcher.chunks }
  package var tokensPerEpoch: Int { batcher.tokensPerEpoch }
  package var dataDigest: UInt64 { corpus.digest }

  package func writeInputs(to run: RunPaths) throws { try corpus.vocabulary.save(to: run.vocabulary()) }

  package func beginEpoch(_ epoch: Int, isResumed: Bool) {
    guard !isResumed else { return }  // the states have been restored
    for state in carried.values { state.forEach { $0.view.fill(0) } }
  }

  package func addGradient(
    of microbatch: Microbatch, shard: Int, into gradients: ParameterBuffer<Float>
  ) throws -> LossSum {
    guard let state = carried[shard] else { return LossSum() }
    return addGradient(
      microbatch: microbatch.index, serial: microbatch.serial, shard: shard, state: state.map(\.view),
      into: gradients)
  }

  /// All chunks but the last have the same size. The states of the streams are not those of a step.
  package func rehearse(into gradients: ParameterBuffer<Float>) throws {
    for shard in plan.own {
      guard let state = carried[shard] else { continue }
      let copies = state.map { AlignedMatrix(rows: $0.view.rows, columns: $0.view.columns) }
      // The views do not keep what they point into.
      withExtendedLifetime(copies) {
        _ = addGradient(
          microbatch: 0, serial: 0, shard: shard, state: copies.map(\.view), into: gradients)
      }
    }
  }

  private func addGradient(
    microbatch: Int, serial: Int, shard: Int, state: [MatrixView<Float>],
    into gradients: ParameterBuffer<Float>
  ) -> LossSum {
    let streams = plan.items(of: shard, count: batcher.streams)
    guard !streams.isEmpty else { return LossSum() }
    let arena = workspace.arena
    arena.reset()
    let layout = PackedLayout(steps: batcher.chunk(microbatch).count, batchSize: streams.count)
    let tokens = arena.words(layout.rowCount, of: Int32.self)
    let targets = arena.words(layout.rowCount, of: Int32.self)
    batcher.fill(chunk: microbatch, streams: streams, from: corpus.train, inputs: tokens, targets: targets)
    let context = LayerContext(
      parameters: parameters, workspace: workspace, dropout: masks(layout, streams, serial: serial, arena))
    let batch = LanguageModelBatch<Float>(
      layout: layout, tokens: UnsafePointer(tokens.baseAddress!), targets: UnsafePointer(targets.baseAddress!)
    )
    return model.evaluate(
      batch, state: state, labelSmoothing: labelSmoothing, segment: segment, into: gradients, context)
  }

  /// Coordinates of the dropout masks: global stream, time within the chunk, and the chunk's number in the
  /// run.
  private func masks(
    _ layout: PackedLayout, _ streams: Range<Int>, serial: Int, _ arena: Arena<Float>
  ) -> DropoutContext? {
    guard model.shape.isRandom else { return nil }
    let samples = arena.words(layout.rowCount, of: UInt32.self)
    let times = arena.words(layout.rowCount, of: UInt32.self)
    for step in 0..<layout.steps {
      for (position, row) in layout.rows(step).enumerated() {
        samples[row] = UInt32(streams.lowerBound + position)
        times[row] = UInt32(step)
      }
    }
    return DropoutContext(
      seed: seed, step: UInt64(serial),
      rows: RowCoordinates(
        samples: UnsafePointer(samples.baseAddress!), times: UnsafePointer(times.baseAddress!)))
  }

  /// Stream by stream, so that it does not depend on the number of ranks what is forgotten.
  package func dropNonFiniteState() {
    for (shard, state) in carried {
      for stream in 0..<plan.items(of: shard, count: batcher.streams).count {
        let rows = state.map {
          UnsafeMutableBufferPointer(start: $0.view.row(stream), count: $0.view.columns)
        }
        guard !rows.allSatisfy({ $0.allSatisfy(\.isFinite) }) else { continue }
        for row in rows { row.update(repeating: 0) }
      }
    }
  }

  // MARK: Evaluation

  package func evaluationPass(_ split: DataSplit) -> (any EvaluationPass)? {
    let tokens: TokenStream? =
      switch split {
      case .train: corpus.train
      case .valid: corpus.valid
      case .test: corpus.test
      }
    guard let tokens, tokens.count > 1 else { return nil }
    return LanguageModelEvaluation(
      model: model, parameters: parameters, workspace: workspace, tokens: tokens, plan: plan,
      streams: evaluationStreams, steps: evaluationSteps)
  }

  // MARK: Checkpoints

  package var carriedStateShapes: [(name: String, shape: [Int])] {
    model.stateParts.enumerated().map { ("carried_state.\($0)", [batcher.streams, $1]) }
  }

  package func gatherCarriedState(_ communicator: any Communicator) throws -> [TensorToWrite] {
    var mine: [UInt8] = []
    for part in model.stateParts.indices {
      for shard in plan.own {
        if let matrix = carried[shard]?[part] { mine += Array(UnsafeRawBufferPointer(matrix.elements)) }
      }
    }
    let everyone = try communicator.allgather(mine)
    gathered = model.stateParts.map { AlignedMatrix(rows: batcher.streams, columns: $0) }
    var firstStream = 0
    for bytes in everyone {
      let perStream = model.stateParts.reduce(0, +) * MemoryLayout<Float>.stride
      let streams = bytes.count / perStream
      var offset = 0
      for matrix in gathered {
        let length = streams * matrix.view.columns * MemoryLayout<Float>.stride
        bytes.withUnsafeBytes { source in
          guard let base = source.baseAddress else { return }  // a rank without streams
          UnsafeMutableRawPointer(matrix.view.base + firstStream * matrix.view.columns)
            .copyMemory(from: base + offset, byteCount: length)
        }
        offset += length
      }
      firstStream += streams
    }
    return zip(carriedStateShapes, gathered).map { entry, matrix in
      TensorToWrite(name: entry.name, shape: entry.shape, floats: UnsafeBufferPointer(matrix.elements))
    }
  }

  package func restoreCarriedState(_ tensors: [[Float]]) {
    for (part, width) in model.stateParts.enumerated() {
      for shard in plan.own {
        let streams = plan.items(of: shard, count: batcher.streams)
        guard let matrix = carried[shard]?[part] else { continue }
        let values = tensors[part][streams.lowerBound * width..<streams.upperBound * width]
        _ = matrix.elements.update(fromContentsOf: values)
      }
    }
  }
}

/// A matrix that owns its memory, for what outlives a step.
package final class AlignedMatrix {
  private let storage: AlignedBuffer<Float>
  package let view: MatrixView<Float>

  /// Zeros.
  package init(rows: Int, columns: Int) {
    storage = AlignedBuffer(count: rows * columns)
    view = MatrixView(storage.base, rows: rows, columns: columns)
  }

  package var elements: UnsafeMutableBufferPointer<Float> { storage.elements }
}
