import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Token by token, an encoder-decoder computes the same as in training, even if its rows are reordered.
@Suite struct EncoderDecoderDecodingTests {
  private static let cases = EncoderDecoderCase.all.filter { !$0.isMasked }

  @Test(arguments: cases)
  func stepsEqualTheWhole(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let pairs: PairBatch<Double> = test.pairs()
    let batch = pairs.batch()
    let loss = run.loss(batch)
    let decoder = run.model.decoder(for: batch.sources, run.context)
    let scores = forcedLogProbabilities(
      decoder, startTokens: decoder.startTokens, targets: pairs.targets.map { $0.map { Int32($0) } },
      endToken: Int32(test.shape.decoder.endToken))
    expectClose([-scores.joined().reduce(0, +)], [loss.total], within: 1e-11, "log-probability")
  }

  /// Attention is a distribution over the positions of the sentence's own source, independent of the other sentences.
  @Test(arguments: cases.filter(\.hasAttention))
  func attentionDependsOnItsSentenceAlone(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let pairs: PairBatch<Double> = test.pairs()
    let together = run.attention(pairs)
    #expect(together.count == test.shape.sources.count)
    for sentence in pairs.targets.indices {
      let one = PairBatch<Double>(
        sources: pairs.sources.map { [$0[sentence]] }, targets: [pairs.targets[sentence]])
      one.spelledWords = pairs.spelledWords
      for (source, alone) in run.attention(one).enumerated() {
        for (step, weights) in alone[0].enumerated() {
          expectClose(
            weights, together[source][sentence][step], within: 1e-12, "sentence \(sentence), step \(step)")
          expectClose([weights.reduce(0, +)], [1.0], within: 1e-12, "sum of weights")
        }
      }
    }
  }

  /// A beam with room for every text finds the best one, with the same probability and attention as the forced text; a
  /// beam of width 1 is greedy.
  @Test(arguments: cases)
  func searchesFindTheBest(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let pairs: PairBatch<Double> = test.pairs()
    let end = Int32(test.shape.decoder.endToken)
    let words = (0..<Int32(test.shape.decoder.vocabularySize)).filter { $0 != end }
    var texts: [[Int32]] = [[]]
    for length in 0..<3 {
      texts += texts.filter { $0.count == length }.flatMap { text in words.map { text + [$0] } }
    }
    let all = run.model.decoder(for: pairs.batch(texts.map { _ in 0 }).sources, run.context)
    let scores = forcedLogProbabilities(
      all, startTokens: all.startTokens, targets: texts, endToken: end
    ).map { $0.reduce(0, +) }
    let best = try #require(texts.indices.max { scores[$0] < scores[$1] })

    func search(_ width: Int) throws -> Hypothesis<Double> {
      let decoder = run.model.decoder(for: pairs.batch([0]).sources, run.context)
      let options = SearchOptions(
        beamWidth: width, constraints: TokenConstraints(endToken: end, length: LengthBounds(maximum: 3)),
        keepsAttention: test.hasAttention)
      return try #require(beamSearch(decoder, startTokens: decoder.startTokens, options)[0].first)
    }
    let found = try search(500)
    #expect(found.tokens == texts[best])
    expectClose([found.score], [scores[best]], within: 1e-11, "score")
    let decoder = run.model.decoder(for: pairs.batch([0]).sources, run.context)
    let greedy = greedySearch(
      decoder, startTokens: decoder.startTokens,
      constraints: TokenConstraints(endToken: end, length: LengthBounds(maximum: 3)))
    #expect(try search(1).tokens == greedy[0].tokens)

    guard test.hasAttention else { return }
    let forced = PairBatch<Double>(
      sources: pairs.sources.map { [$0[0]] }, targets: [found.tokens.map { Int($0) }])
    forced.spelledWords = pairs.spelledWords
    for (step, weights) in run.attention(forced)[0][0].dropLast().enumerated() {
      expectClose(found.attention?[step] ?? [], weights, within: 1e-12, "attention")
    }
  }

  /// Rows that are doubled, dropped and reordered carry all of their state with them.
  @Test(arguments: cases)
  func rowsCanBeReordered(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let pairs: PairBatch<Double> = test.pairs()
    let batch = pairs.batch()
    let decoder = run.model.decoder(for: batch.sources, run.context)
    // Tokens and parents of each step; the rows then hold the texts below.
    let steps: [(tokens: [Int], parents: [Int])] = [
      ([1, 1, 1, 1, 1], [0, 0, 1, 2, 3]), ([3, 4, 0, 3], [1, 0, 2, 3]), ([2, 0, 1, 4, 3], [0, 1, 1, 3, 2]),
    ]
    let texts: [(sentence: Int, tokens: [Int])] = [
      (0, [1, 3, 2]), (0, [1, 4, 0]), (0, [1, 4, 1]), (2, [1, 3, 4]), (1, [1, 0, 3]),
    ]
    var logits: [Double] = []
    for (tokens, parents) in steps {
      logits = decoder.advance(tokens, parents)
    }
    for (row, text) in texts.enumerated() {
      let alone = run.model.decoder(for: pairs.batch([text.sentence]).sources, run.context)
      var expected: [Double] = []
      for token in text.tokens { expected = alone.advance([token], [0]) }
      expectClose(
        Array(logits[row * expected.count..<(row + 1) * expected.count]), expected, within: 1e-12,
        "row \(row)")
    }
  }

  /// A source may have no words: the context of attention is zero, and nothing is NaN.
  @Test(arguments: cases)
  func emptySourcesGiveNumbers(test: EncoderDecoderCase) throws {
    let run = try EncoderDecoderRun<Double>(test.shape)
    let pairs = PairBatch<Double>(
      sources: test.shape.sources.map { source in
        guard case .vectors(let size) = source.input else { return [.tokens([1, 2]), .tokens([])] }
        return [
          .vectors(Tensor([1, size], Array(repeating: 0.5, count: size))), .vectors(Tensor([0, size], [])),
        ]
      }, targets: [[1], [2, 0]])
    pairs.spelledWords = (test.pairs() as PairBatch<Double>).spelledWords
    let gradients = ParameterBuffer<Double>(run.model.layout)
    let loss = run.loss(pairs.batch(), test.options, into: gradients)
    #expect(loss.total.isFinite && gradients.elements.allSatisfy(\.isFinite))
  }
}
