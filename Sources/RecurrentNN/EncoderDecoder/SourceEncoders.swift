import NumericKernels
import Options
import Parameters

/// The encoders of all sources of a model, with the summary c and the states that the decoder starts from.
struct SourceEncoders<Element: Scalar>: Sendable {
  let encoders: [Encoder<Element>]
  /// One for each source, or none if the model does not use c.
  let summaries: [ContextSummary<Element>]
  /// Layers of the decoder whose initial state is made from final states; 0 if the bridge doesn't read them.
  private let bridgedLayers: Int

  /// The first stream of each source's masks; those of the decoder follow. The distance is enough for any stack of layers.
  static func firstStream(ofSource source: Int) -> Int { 1024 * source }

  /// Adds `encoder.…`, `encoder2.…`, `summary.…`, `summary2.…`.
  init(_ shape: EncoderDecoderShape, in builder: inout ParameterLayout.Builder) throws(OptionError) {
    var encoders: [Encoder<Element>] = []
    for (index, source) in shape.sources.enumerated() {
      let shared = shape.shareEmbeddings ? encoders.first?.embedding.table : nil
      encoders.append(
        try builder.scoped(Self.name("encoder", index)) { builder throws(OptionError) in
          try Encoder(source, sharedTable: shared, in: &builder)
        })
    }
    var summaries: [ContextSummary<Element>] = []
    if shape.needsSummary {
      for (index, encoder) in encoders.enumerated() {
        summaries.append(
          builder.scoped(Self.name("summary", index)) {
            ContextSummary(shape.summary, outputSize: encoder.topSize, in: &$0)
          })
      }
    }
    self.encoders = encoders
    self.summaries = summaries
    let readsStates = shape.bridge.form != .zero && shape.bridge.source == .finalStates
    bridgedLayers = readsStates ? shape.decoder.network.layers : 0
  }

  /// `name` for the first source, `name2` for the second.
  static func name(_ name: String, _ source: Int) -> String { source == 0 ? name : "\(name)\(source + 1)" }

  var summarySize: Int { summaries.reduce(0) { $0 + $1.size } }

  /// Widths of joined final states for each layer of the decoder.
  var layerSizes: [(hidden: Int, cell: Int)] {
    (0..<bridgedLayers).map { layer in
      encoders.reduce((0, 0)) { sum, encoder in
        let widths = encoder.stateWidths(ofLayer: encoder.layer(for: layer))
        return (sum.0 + widths.hidden, sum.1 + widths.cell)
      }
    }
  }

  /// The forward cache.
  struct Pass {
    let passes: [Encoder<Element>.Pass]
    /// c and final states, rows in the order of the decoder.
    let bridgeInput: BridgeInput<Element>
    /// For each source the sorted position of the sentence in each row of the decoder.
    fileprivate let positions: [UnsafePointer<Int32>]
    /// Top hidden states of each source; none without summaries.
    fileprivate let tops: [MatrixView<Element>]
    fileprivate let summaries: [ContextSummary<Element>.Pass]
  }

  // MARK: Forward

  /// - Parameter order: the caller's sentence in each row of the decoder.
  func forward(
    _ sources: [InputSequences<Element>], order: [Int], masks: SampleMasks?, _ context: LayerContext<Element>
  ) -> Pass {
    precondition(sources.count == encoders.count, "\(sources.count) sources for a model of \(encoders.count)")
    let arena = context.arena
    var passes: [Encoder<Element>.Pass] = []
    var positions: [UnsafePointer<Int32>] = []
    for (index, source) in sources.enumerated() {
      precondition(
        source.count == order.count, "source \(index) of \(source.count), targets of \(order.count)")
      let pass = encoders[index].forward(
        source, masks: masks, firstStream: Self.firstStream(ofSource: index), context)
      let sorted = pass.layout.positions
      passes.append(pass)
      positions.append(arena.indexes(order.count) { sorted[order[$0]] })
    }
    var input = BridgeInput<Element>()
    var (tops, summaryPasses): ([MatrixView<Element>], [ContextSummary<Element>.Pass]) = ([], [])
    if !summaries.isEmpty {
      let c = arena.matrix(order.count, summarySize)
      for (index, columns) in consecutiveRanges(summaries.map(\.size)).enumerated() {
        let top = arena.matrix(order.count, encoders[index].topSize)
        gather(passes[index], encoders[index].topParts, positions[index], into: top)
        tops.append(top)
        summaryPasses.append(
          summaries[index].forward(passes[index], last: top, order: order, into: c.columns(columns), context))
      }
      input.summary = c
    }
    for (layer, sizes) in layerSizes.enumerated() {
      let states = (
        hidden: arena.matrix(order.count, sizes.hidden), cell: arena.matrix(order.count, sizes.cell)
      )
      eachPart(ofLayer: layer) { source, parts, columns, isHidden in
        gather(
          passes[source], parts, positions[source],
          into: (isHidden ? states.hidden : states.cell).columns(columns))
      }
      input.layers.append(states)
    }
    return Pass(
      passes: passes, bridgeInput: input, positions: positions, tops: tops, summaries: summaryPasses)
  }

  /// Calls `body` for the hidden and cell states of every source with their places among the joined ones.
  private func eachPart(
    ofLayer layer: Int,
    _ body: (_ source: Int, _ parts: [Int], _ columns: Range<Int>, _ isHidden: Bool) -> Void
  ) {
    let layers = encoders.map { $0.layer(for: layer) }
    let widths = zip(encoders, layers).map { $0.stateWidths(ofLayer: $1) }
    let (hidden, cell) = (consecutiveRanges(widths.map(\.hidden)), consecutiveRanges(widths.map(\.cell)))
    for (index, encoder) in encoders.enumerated() {
      let parts = encoder.layerParts[layers[index]]
      body(index, parts.hidden, hidden[index], true)
      body(index, parts.cell, cell[index], false)
    }
  }

  private func gather(
    _ pass: Encoder<Element>.Pass, _ parts: [Int], _ rows: UnsafePointer<Int32>,
    into target: MatrixView<Element>
  ) {
    for (part, columns) in zip(parts, consecutiveRanges(parts.map { pass.finalState[$0].columns })) {
      target.columns(columns).gatherRows(of: pass.finalState[part], at: rows)
    }
  }

  // MARK: Backward

  /// Zeros for the gradients of c and of the final states.
  func zeroGradient(_ pass: Pass, _ context: LayerContext<Element>) -> BridgeInput<Element> {
    func zeros(_ view: MatrixView<Element>) -> MatrixView<Element> {
      context.arena.zeros(view.rows, view.columns)
    }
    return BridgeInput(
      summary: pass.bridgeInput.summary.map(zeros),
      layers: pass.bridgeInput.layers.map { (zeros($0.hidden), zeros($0.cell)) })
  }

  /// ADDS the gradients of all parameters.
  ///
  /// - Parameters:
  ///   - gradient: the gradient of c and of the final states.
  ///   - memories: the source memories that attention read, with the gradients of their values; none without attention.
  func backward(
    _ pass: Pass, gradient: BridgeInput<Element>,
    memories: [(memory: SourceMemory<Element>, gradient: MatrixView<Element>)],
    into gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    let arena = context.arena
    arena.scoped {
      let dOutputs = pass.passes.map { arena.zeros($0.output.rows, $0.output.columns) }
      let dFinals = pass.passes.map { $0.finalState.map { arena.zeros($0.rows, $0.columns) } }
      for (index, (memory, gradient)) in memories.enumerated() {
        memory.addGradient(gradient, to: dOutputs[index])
      }
      if let dc = gradient.summary {
        for (index, columns) in consecutiveRanges(summaries.map(\.size)).enumerated() {
          let dTop = arena.zeros(dc.rows, encoders[index].topSize)
          summaries[index].backward(
            pass.summaries[index], pass.passes[index], last: pass.tops[index], gradient: dc.columns(columns),
            lastGradient: dTop, outputGradient: dOutputs[index], into: gradients, context)
          scatter(dTop, encoders[index].topParts, pass.positions[index], to: dFinals[index])
        }
      }
      for (layer, states) in gradient.layers.enumerated() {
        eachPart(ofLayer: layer) { source, parts, columns, isHidden in
          scatter(
            (isHidden ? states.hidden : states.cell).columns(columns), parts, pass.positions[source],
            to: dFinals[source])
        }
      }
      for (index, encoder) in encoders.enumerated().reversed() {
        encoder.backward(
          pass.passes[index], outputGradient: dOutputs[index], stateGradient: dFinals[index], into: gradients)
      }
    }
  }

  private func scatter(
    _ gradient: MatrixView<Element>, _ parts: [Int], _ rows: UnsafePointer<Int32>,
    to finals: [MatrixView<Element>]
  ) {
    for (part, columns) in zip(parts, consecutiveRanges(parts.map { finals[$0].columns })) {
      finals[part].scatterAddRows(gradient.columns(columns), at: rows)
    }
  }
}

extension Encoder {
  /// The encoder layer at the same height as a decoder layer, or the top layer for higher ones.
  func layer(for decoderLayer: Int) -> Int { min(decoderLayer, layerParts.count - 1) }
  /// The top layer's hidden states.
  var topParts: [Int] { layerParts[layerParts.count - 1].hidden }
  var topSize: Int { stateWidths(ofLayer: layerParts.count - 1).hidden }
}
