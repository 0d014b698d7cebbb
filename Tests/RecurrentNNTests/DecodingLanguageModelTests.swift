import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// Decoding of a language model, compared with plain loops over its steps.
@Suite struct DecodingLanguageModelTests {
  private func model(_ cell: CellOptions = .lstm()) throws -> LanguageModel<Double> {
    try LanguageModel(
      LanguageModelShape(
        vocabularySize: 9, embeddingSize: 4, network: NetworkOptions(cell, hiddenSize: 5, layers: 2),
        uniformInitialization: 1.5)
    )
  }

  /// The text that a stream writes after a prompt, sampled with the inverse of the cumulative distribution.
  private func text(
    _ model: LanguageModel<Double>, _ parameters: ParameterBuffer<Double>, after prompt: [Int32], length: Int,
    number: Int, seed: UInt64, temperature: Double, excluded: Int?
  ) -> [Int32] {
    let run = LanguageModelRun(model, parameters, batchSize: 1)
    for id in prompt.dropLast() { _ = run.step([Int(id)]) }
    var random = CounterRandom(key: RandomKey(seed: seed, purpose: .sampling), sample: UInt64(number))
    var (result, current): ([Int32], Int32) = ([], prompt[prompt.count - 1])
    while result.count < length {
      var logits = run.step([Int(current)])
      if let excluded { logits[excluded] = -.infinity }
      let probabilities = logProbabilities(logits.map { $0 / temperature }).map { exp($0) }
      var rest = random.nextUniform()
      current = Int32(
        probabilities.firstIndex { share in
          rest -= share
          return rest < 0
        } ?? 8)
      result.append(current)
    }
    return result
  }

  @Test(arguments: NetworkCase.kinds)
  func textsAreThoseOfAPlainLoop(cell: CellOptions) throws {
    let model = try model(cell)
    let parameters = ParameterBuffer<Double>(model.layout, seed: 3)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    let prompt: [Int32] = [3, 1, 4, 1, 5]
    let decoder = LanguageModelDecoder(model, context)
    decoder.read([prompt.dropLast()])
    let texts = sampleSequences(
      decoder, startTokens: [5], textsPerSequence: 4, options: SamplingOptions(temperature: 0.8),
      constraints: TokenConstraints(endToken: nil, length: LengthBounds(maximum: 12), excludedTokens: [2]),
      seed: 6)[0]
    for (number, found) in texts.enumerated() {
      let expected = text(
        model, parameters, after: prompt, length: 12, number: number, seed: 6, temperature: 0.8, excluded: 2)
      #expect(found.tokens == expected, "text \(number)")
    }
    #expect(Set(texts.map(\.tokens)).count == 4)
  }

  /// Texts with different prompts, options, seeds and lengths join and leave the others at any step.
  @Test func textsThatJoinLaterAreThoseOfSamplersOfTheirOwn() throws {
    let model = try model()
    let parameters = ParameterBuffer<Double>(model.layout, seed: 3)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    func sampler(_ number: Int) -> SequenceSampler<Double> {
      let decoder = LanguageModelDecoder(model, context)
      decoder.read([[Int32(number % 8 + 1), 2]])
      return SequenceSampler(
        decoder, startTokens: [Int32(number % 9)], textsPerSequence: 1 + number % 3,
        options: SamplingOptions(temperature: 0.5 + Double(number) / 4, topK: number % 2 == 0 ? 3 : nil),
        constraints: TokenConstraints(
          endToken: number == 4 ? 1 : nil, length: LengthBounds(maximum: 3 + 4 * number)),
        seed: UInt64(number))
    }
    func collect(_ sampler: SequenceSampler<Double>, into texts: inout [Int: [SampledToken]]) {
      var step: [SampledToken] = []
      sampler.step { step.append($0) }
      for token in step { texts[token.text, default: []].append(token) }
    }
    let (all, count) = (sampler(0), 6)
    var together: [Int: [SampledToken]] = [:]
    var offsets = [0]
    for number in 1..<count {
      let other = sampler(number)
      // Some texts have begun before.
      var early: [Int: [SampledToken]] = [:]
      for _ in 0..<number % 3 { collect(other, into: &early) }
      let offset = try #require(all.join(other))
      offsets.append(offset)
      for (text, tokens) in early { together[text + offset, default: []] += tokens }
      #expect(other.isFinished)
      collect(all, into: &together)
    }
    while !all.isFinished { collect(all, into: &together) }
    #expect(all.textCount == (0..<count).reduce(0) { $0 + 1 + $1 % 3 })
    for (number, offset) in offsets.enumerated() {
      let alone = sampler(number)
      var expected: [Int: [SampledToken]] = [:]
      while !alone.isFinished { collect(alone, into: &expected) }
      for text in 0..<alone.textCount {
        let found = together[offset + text]?.map(\.token)
        #expect(found == expected[text]?.map(\.token), "text \(text) of \(number)")
        #expect(together[offset + text]?.last?.isEnd == expected[text]?.last?.isEnd)
      }
    }
  }

  @Test func aTextThatIsRemovedChangesNoOther() throws {
    let model = try model()
    let parameters = ParameterBuffer<Double>(model.layout, seed: 3)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    func texts(removing removed: Set<Int>) -> [[Int32]] {
      let sampler = SequenceSampler(
        LanguageModelDecoder(model, context), startTokens: [1], textsPerSequence: 3,
        options: SamplingOptions(),
        constraints: TokenConstraints(endToken: nil, length: LengthBounds(maximum: 9)), seed: 5)
      var texts = [[Int32]](repeating: [], count: 3)
      while !sampler.isFinished {
        sampler.step { texts[$0.text].append($0.token) }
        if texts[0].count == 4 { sampler.remove(texts: removed) }
      }
      return texts
    }
    let (whole, cut) = (texts(removing: []), texts(removing: [1]))
    #expect(cut[0] == whole[0] && cut[2] == whole[2] && cut[1] == Array(whole[1].prefix(4)))
  }

  /// Streams with different prompts, some of them empty.
  @Test func promptsOfDifferentLengths() throws {
    let model = try model()
    let parameters = ParameterBuffer<Double>(model.layout, seed: 4)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    let prompts: [[Int32]] = [[1], [2, 3, 4, 5, 6], [7], [8, 1, 2]]
    let decoder = LanguageModelDecoder(model, streams: 4, context)
    decoder.read(prompts.map { $0.dropLast() })
    let found = greedySearch(
      decoder, startTokens: prompts.compactMap(\.last),
      constraints: TokenConstraints(endToken: 0, length: LengthBounds(maximum: 7)))
    for (prompt, text) in zip(prompts, found) {
      let expected = ReferenceSearch(
        scores: { prefix in
          let run = LanguageModelRun(model, parameters, batchSize: 1)
          return (prompt.dropLast() + prefix).reduce([]) { run.step([Int($1)]) }
        }, start: prompt[prompt.count - 1], options: options(width: 1, maximum: 7), bounds: 0...7
      ).greedy()
      expectEqual([text], [expected])
    }
  }

  /// The prompts are longer than the part that is read at a time, and are read in two calls.
  @Test func longPromptsAreReadInPieces() throws {
    let model = try model(.gru())
    let parameters = ParameterBuffer<Double>(model.layout, seed: 5)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    let prompt = (0..<700).map { Int32($0 * 7 % 9) }
    func next(_ pieces: [[Int32]]) -> [Double] {
      let decoder = LanguageModelDecoder(model, streams: 2, context)
      for piece in pieces { decoder.read([piece, [1]]) }
      return forcedLogProbabilities(decoder, startTokens: [1, 1], targets: [[0, 1, 2], []], endToken: nil)[0]
    }
    let run = LanguageModelRun(model, parameters, batchSize: 1)
    for id in prompt { _ = run.step([Int(id)]) }
    let logits = run.step([1])
    let (once, twice) = (next([prompt]), next([Array(prompt[..<300]), Array(prompt[300...])]))
    #expect(abs(once[0] - logProbabilities(logits)[0]) < 1e-12)
    #expect(zip(once, twice).allSatisfy { abs($0 - $1) < 1e-12 } && once.count == 3)
  }

  /// Beam search over a real recurrent state, at two precisions.
  @Test func beamsReorderTheState() throws {
    let model = try model()
    let parameters = ParameterBuffer<Double>(model.layout, seed: 7)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    let options = options(width: 4, results: 3, maximum: 6, lengthPenalty: 0.5)
    let found = beamSearch(LanguageModelDecoder(model, streams: 3, context), startTokens: [1, 2, 3], options)
    for start in 1...3 {
      let expected = ReferenceSearch(
        scores: { prefix in
          let run = LanguageModelRun(model, parameters, batchSize: 1)
          return prefix.reduce([]) { run.step([Int($1)]) }
        }, start: Int32(start), options: options, bounds: 0...6
      ).beam()
      expectEqual(found[start - 1], expected)
    }
  }

  /// Each search needs its own decoder, but can reuse the model and workspace: a second search gives the same result and
  /// doesn't grow the arena.
  @Test func secondSearchDoesNotGrowTheArena() throws {
    let model = try model()
    let parameters = ParameterBuffer<Double>(model.layout, seed: 7)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    func search() -> [[Hypothesis<Double>]] {
      beamSearch(
        LanguageModelDecoder(model, streams: 2, context), startTokens: [1, 2], options(width: 3, maximum: 5))
    }
    let first = search()
    let capacity = context.workspace.arena.capacityInBytes
    #expect(search() == first && context.workspace.arena.capacityInBytes == capacity)
  }
}
