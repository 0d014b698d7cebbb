import NumericKernels
import Parameters
import Testing

@testable import RecurrentNN

@Suite struct WorkspaceTests {
  /// Few rows are multiplied with a packed copy that is kept, many rows with the weight itself.
  @Test(arguments: [1, 255, 256, 301], [false, true])
  func productsWithAWeight(rows: Int, transposed: Bool) {
    var builder = ParameterLayout.Builder()
    let (outputs, inputs) = (7, 67)
    let weight = builder.add("weight", [outputs, inputs], .uniform(1))
    let context = LayerContext(
      parameters: ParameterBuffer<Float>(builder.build(), seed: 3), workspace: Workspace())
    let depth = transposed ? inputs : outputs
    let x = Tensor<Float>(shape: [rows, depth], seed: 4)
    let scratch = Scratch<Float>()
    let (a, c) = (scratch.matrix(x), scratch.matrix(rows: rows, columns: transposed ? outputs : inputs))
    c.fill(.nan)
    context.multiply(a, by: weight, transposed: transposed, into: c)
    context.multiply(a, by: weight, transposed: transposed, into: c, accumulate: true)
    let w = context.parameters.matrix(weight)
    withExtendedLifetime((scratch, context.parameters)) {
      for row in 0..<rows {
        for column in 0..<c.columns {
          let sum = (0..<depth).reduce(0.0) {
            $0 + Double(a[row, $1]) * Double(transposed ? w[column, $1] : w[$1, column])
          }
          #expect(abs(Double(c[row, column]) - 2 * sum) < 1e-4)
        }
      }
    }
    #expect((context.workspace.packedBytes == 0) == (rows >= 256 || ProductMode.rule == .blas))
  }

  /// A buffer that moves takes its packed copies along: products and updates read the new memory, even if the old one still
  /// has other values.
  @Test(arguments: [false, true])
  func copiesOfParametersThatMove(updates: Bool) {
    var builder = ParameterLayout.Builder()
    let weight = builder.add("weight", [32, 16], .uniform(1))
    let layout = builder.build()
    let memory = (0..<2).map { _ in AlignedBuffer<Float>(count: layout.count) }
    let parameters = ParameterBuffer<Float>(layout, in: memory[0].elements, owner: memory[0])
    parameters.initialize(seed: 3)
    let context = LayerContext(parameters: parameters, workspace: Workspace())
    let scratch = Scratch<Float>()
    let x = scratch.matrix(Tensor<Float>(shape: [3, 16], seed: 4))
    func product(_ context: LayerContext<Float>) -> [Float] {
      let y = scratch.matrix(rows: 3, columns: 32)
      context.multiply(x, by: weight, transposed: true, into: y)
      return values(y)
    }
    let before = product(context)
    if updates {
      context.workspace.forEachBlock(of: parameters) { _ in }
      #expect(product(context) == before)
    }
    parameters.move(to: memory[1].elements, owner: memory[1], copying: 0..<layout.count)
    if updates {
      context.workspace.forEachBlock(of: parameters) { range in
        for index in range { parameters.elements[index] += 1 }
      }
    } else {
      parameters.initialize(seed: 5)
    }
    let after = product(context)
    #expect(after != before)
    #expect(after == product(LayerContext(parameters: parameters, workspace: Workspace())))
    withExtendedLifetime((scratch, memory)) {}
  }
}

/// Updating and packing block by block, compared with updating everything and packing each copy when it is next read.
@Suite struct ParameterBlockTests {
  private enum Way: CaseIterable {
    /// The whole update first. Copies are packed when they are next read.
    case lazily
    case byBlocks
    /// By blocks, with the copies that generation needs in use at every second step.
    case byBlocksBetweenGeneratedTokens
  }

  /// Heights that are not multiples of the packing's unit, gates that are packed apart (GRU), weights before, between and
  /// after those that are packed.
  @Test(arguments: NetworkCase.kinds, ProductPrecision.ofTraining)
  func updatingByBlocksGivesTheSameBits(cell: CellOptions, precision: ProductPrecision) throws {
    let model = try LanguageModel<Float>(
      LanguageModelShape(
        vocabularySize: 21, embeddingSize: 19, network: NetworkOptions(cell, hiddenSize: 37, layers: 2)))
    let results = Way.allCases.map { train(model, precision, $0) }
    #expect(results[0].allSatisfy { $0.isFinite })
    for result in results.dropFirst() { #expect(result == results[0]) }
  }

  /// Losses of four steps, the parameters after them, and the resulting logits.
  private func train(_ model: LanguageModel<Float>, _ precision: ProductPrecision, _ way: Way) -> [Float] {
    let parameters = ParameterBuffer<Float>(model.layout, seed: 1)
    let workspace = Workspace<Float>(precision: precision)
    let run = LanguageModelRun(model, parameters, batchSize: 3, workspace: workspace)
    let writer = LanguageModelRun(model, parameters, batchSize: 3, workspace: workspace)
    var losses: [Float] = []
    for step in 0..<4 {
      if way == .byBlocksBetweenGeneratedTokens, step % 2 == 1 { _ = writer.step([1, 2, 3]) }
      let gradients = ParameterBuffer<Float>(model.layout)
      let tokens = (0..<30).map { ($0 * 7 + step) % 21 }
      losses.append(Float(run.evaluate(tokens, tokens.reversed(), into: gradients).mean))
      let update = { (range: Range<Int>) in
        for index in range { parameters.elements[index] -= 0.05 * gradients.elements[index] }
      }
      if way == .lazily {
        update(0..<parameters.count)
        parameters.didChange()
      } else {
        workspace.forEachBlock(of: parameters, update)
      }
    }
    return losses + Array(parameters.elements) + run.step([4, 5, 6])
  }

  /// Some columns of the decoder's input weights are packed and others are read in place; those of the readout are packed
  /// for each operand.
  @Test(arguments: ProductPrecision.ofTraining)
  func columnsOfAWeightArePackedApart(precision: ProductPrecision) throws {
    var decoder = EncoderDecoderCase.decoder(readout: .hidden(size: 9), inputFeeding: true)
    (decoder.vocabularySize, decoder.embeddingSize, decoder.network.hiddenSize) = (300, 17, 33)
    let shape = EncoderDecoderCase.model(.attention(AttentionShape(.additive, size: 7)), decoder)
    let model = try EncoderDecoder<Float>(shape)
    let batch = PairBatch<Float>(
      sources: [randomTokens([3, 5, 2], vocabulary: 6, stream: 1).map { .tokens($0) }],
      targets: randomTokens([4, 2, 6], vocabulary: 300, stream: 2))
    func train(byBlocks: Bool) -> [Float] {
      let run = EncoderDecoderRun(
        model, ParameterBuffer(model.layout, seed: 1), Workspace(precision: precision))
      var losses: [Float] = []
      for _ in 0..<3 {
        let gradients = ParameterBuffer<Float>(model.layout)
        losses.append(Float(run.loss(batch.batch(), into: gradients).total))
        let update = { (range: Range<Int>) in
          for index in range { run.parameters.elements[index] -= 0.05 * gradients.elements[index] }
        }
        if byBlocks {
          run.context.workspace.forEachBlock(of: run.parameters, update)
        } else {
          update(0..<run.parameters.count)
          run.parameters.didChange()
        }
      }
      return losses + Array(run.parameters.elements)
    }
    let (blockwise, lazily) = (train(byBlocks: true), train(byBlocks: false))
    #expect(
      blockwise == lazily && blockwise.allSatisfy { $0.isFinite } && Set(blockwise.prefix(3)).count == 3)
  }

  /// Every element is updated once, regardless of the copies in use. A copy of other parameters does not change.
  @Test func everyElementOnce() throws {
    let model = try LanguageModel<Float>(
      LanguageModelShape(
        vocabularySize: 900, embeddingSize: 50, network: NetworkOptions(.lstm(), hiddenSize: 70, layers: 1)))
    let workspace = Workspace<Float>()
    for copiesInUse in [false, true] {
      let parameters = ParameterBuffer<Float>(model.layout, seed: 1)
      if copiesInUse {
        _ = LanguageModelRun(model, parameters, batchSize: 2, workspace: workspace).step([1, 2])
      }
      let version = parameters.version
      let counts = ParameterBuffer<Float>(model.layout)
      workspace.forEachBlock(of: parameters) { for index in $0 { counts.elements[index] += 1 } }
      #expect(counts.elements.allSatisfy { $0 == 1 })
      #expect(parameters.version == version + 1)
    }
  }
}
