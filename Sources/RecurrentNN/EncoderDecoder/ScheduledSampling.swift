import NumericKernels
import Parameters

extension Decoder {
  /// Replaces some of the tokens that step t reads by the model's own (Bengio et al. 2015): for each sequence a coin that
  /// depends on seed, step of training, sample and time alone. No gradient passes through the choice.
  ///
  /// - Parameters:
  ///   - previous: r of the step before, [n, R], without dropped units.
  ///   - x: inputs of all rows; the embeddings of step t are looked up again where a token was replaced.
  func readOwnTokens(
    _ t: Int, _ batch: DecoderBatch<Element>, _ previous: MatrixView<Element>, _ options: DecoderOptions,
    into x: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    guard let masks = batch.masks else {
      preconditionFailure(
        "teacher forcing of \(options.teacherForcing) needs the masks of a batch, which key its coins")
    }
    let (arena, n, first) = (context.arena, previous.rows, batch.layout.offsets[t])
    func uniform(_ position: Int, stream: UInt32) -> Double {
      CounterRandom(
        key: RandomKey(seed: masks.seed, purpose: .teacherForcing, step: masks.step),
        sample: UInt64(masks.samples[batch.layout.order[position]]), stream: stream
      ).uniform(at: UInt64(t))
    }
    arena.scoped {
      let isOwn = arena.words(n, of: UInt8.self)
      for position in 0..<n {
        isOwn[position] = uniform(position, stream: 0) < options.teacherForcing ? 0 : 1
      }
      guard isOwn.contains(1) else { return }
      let draws = UnsafeMutableRawPointer(arena.words(n, of: UInt64.self).baseAddress!).bindMemory(
        to: Double.self, capacity: n)
      for position in 0..<n { draws[position] = options.feedsSamples ? uniform(position, stream: 1) : 0 }
      let logits = arena.matrix(n, shape.vocabularySize)
      output.logits(previous, into: logits, context)
      let chosen = arena.words(n, of: Int32.self)
      Element.drawTokens(
        logits.base, logits.stride, n, shape.vocabularySize, 1,
        options.feedsSamples ? shape.vocabularySize : 1,
        1, draws, arena.matrix(1, shape.vocabularySize).base, chosen.baseAddress!)
      // A row of nothing but NaN has no choice: its loss will be NaN as well.
      for position in 0..<n where isOwn[position] == 1 && chosen[position] >= 0 {
        batch.inputs[first + position] = chosen[position]
      }
      embed(
        batch.inputs + first, into: x.rows(batch.layout.rows(t)).columns(embeddingColumns), context,
        firstRow: first)
    }
  }
}
