import RecurrentNN

/// A tagger from its parts: an embedding, a bidirectional LSTM, and a softmax over the tags of every token.
struct Tagger {
  let layout: ParameterLayout
  private let embedding: Parameter
  private let rnn: Bidirectional<Float>
  private let output: SoftmaxOutput<Float>

  /// Each part adds its parameters to one layout, under the names that PyTorch would give them.
  init(vocabularySize: Int, embeddingSize: Int, hiddenSize: Int, tags: Int) throws {
    var builder = ParameterLayout.Builder()
    embedding = builder.add(
      "embedding.weight", [vocabularySize, embeddingSize], .normal(standardDeviation: 1))
    let rnn = try builder.scoped("rnn") { builder in
      try Bidirectional<Float>(
        forward: LSTMCell(inputSize: embeddingSize, hiddenSize: hiddenSize, suffix: "_l0", in: &builder),
        backward: LSTMCell(
          inputSize: embeddingSize, hiddenSize: hiddenSize, suffix: "_l0_reverse", in: &builder))
    }
    self.rnn = rnn
    output = builder.scoped("output") {
      SoftmaxOutput(inputSize: rnn.outputSize, classes: tags, in: &$0)
    }
    layout = builder.build()
  }

  /// The results of a batch, as sums over its tokens: sums of several ranks can be added, means can't.
  struct Sums {
    var loss = 0.0
    var correct = 0.0
    var tokens = 0.0
  }

  /// Runs the model forward, and backward if `gradients` is given: the gradients of the summed loss are ADDED to it.
  func run(
    _ batch: Batch, into gradients: ParameterBuffer<Float>?, _ context: LayerContext<Float>
  ) -> Sums {
    // Sequences are packed without padding, the longest first.
    let layout = PackedLayout(lengths: batch.tokens.map(\.count))
    let (tokens, tags) = (layout.pack(batch.tokens), layout.pack(batch.tags))
    let arena = context.workspace.arena
    // Memory taken from the arena is free again after `scoped`: the memory of the next batch.
    return arena.scoped {
      tokens.withUnsafeBufferPointer { tokens in
        guard let ids = tokens.baseAddress else { return Sums() }
        let states = rnn.unroll(
          .indexed(ids, count: tokens.count, table: embedding), layout,
          from: rnn.zeroState(layout.batchSize, in: arena), context)
        let dStates = gradients.map { _ in arena.matrix(layout.rowCount, rnn.outputSize) }
        let loss = output.loss(
          states.output, targets: tags, gradient: dStates, into: gradients, context)
        let scores = arena.matrix(layout.rowCount, output.classes)
        output.logits(states.output, into: scores, context)
        if let gradients, let dStates {
          rnn.backpropagate(
            states, outputGradient: dStates, stateGradient: rnn.zeroState(layout.batchSize, in: arena),
            inputGradient: nil, into: gradients, context)
        }
        let correct = tags.indices.count { row in
          let best = (0..<scores.columns).max { scores[row, $0] < scores[row, $1] }
          return best == Int(tags[row])
        }
        return Sums(loss: loss, correct: Double(correct), tokens: Double(tokens.count))
      }
    }
  }
}

/// The toy task: the tag of a token says whether the same token occurs elsewhere in its sequence, before or after. A tagger
/// has to read both directions to know.
struct Batch {
  var tokens: [[Int32]] = []
  var tags: [[Int32]] = []

  /// Draws samples of a step: sequences of 2 to 8 tokens. They depend on step and sample alone, so that any number of
  /// ranks draws the same ones.
  init(step: Int, samples: some Sequence<Int>, vocabularySize: Int) {
    let key = RandomKey(seed: 1, purpose: .generatedData, step: UInt64(step))
    for sample in samples {
      let random = CounterRandom(key: key, sample: UInt64(sample))
      let length = 2 + Int(random.uniform(at: 0) * 7)
      let sequence = (1...length).map { Int32(random.uniform(at: UInt64($0)) * Double(vocabularySize)) }
      tokens.append(sequence)
      tags.append(sequence.map { token in sequence.count { $0 == token } > 1 ? 1 : 0 })
    }
  }
}
