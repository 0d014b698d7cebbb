extension ConfigurationSchema {
  static let run: [ConfigurationKey] = [
    ConfigurationKey(
      "task", \.task, .choice,
      "what is learnt: the next token (language-model), a label a step (tagger), a class (classifier), a sequence from a "
        + "class or vector (generator), a sequence from a sequence (seq2seq)"),
    ConfigurationKey(
      "seed", \.seed, .integer(.atLeast(0)),
      "initial parameters, order of the data, dropout and generated data follow from it"),
  ]

  /// The recurrent network, of an encoder-decoder its encoder.
  static let model: [ConfigurationKey] = [
    ConfigurationKey("model.cell", \.model.cell, .choice, "recurrent cell"),
    ConfigurationKey(
      "model.activation", \.model.activation, .choice, "nonlinearity of the rnn cell; the others use tanh"),
    ConfigurationKey(
      "model.forget_bias", \.model.forgetBias, .number(.within(-100...100)),
      "lstm: constant added to the forget gate before its sigmoid (TensorFlow)"),
    ConfigurationKey(
      "model.gru_reset", \.model.gruReset, .choice,
      "gru: reset gate after the recurrent product (PyTorch) or before it (Cho et al. 2014)"),
    ConfigurationKey("model.layers", \.model.layers, .integer(.within(1...64)), "stacked recurrent layers"),
    ConfigurationKey(
      "model.hidden_size", \.model.hiddenSize, .integer(.within(1...65_536)),
      "units of each layer (bidirectional: of each direction)"),
    ConfigurationKey(
      "model.embedding_size", \.model.embeddingSize, .integer(.within(1...65_536)),
      "numbers that stand for a token at the input; inputs that are numbers have none"),
    ConfigurationKey(
      "model.bidirectional", \.model.bidirectional, .flag, tasks: .readers,
      "encoders, taggers, classifiers: read both ways"),
    ConfigurationKey(
      "model.pyramid", \.model.pyramid, .integer(.within(0...8)), tasks: [.seq2seq],
      "encoders: further layers that each halve the number of states (Chan et al. 2016)"),
  ]

  /// Options of cells, between layers, and of first values.
  static let cellOptions: [ConfigurationKey] = [
    ConfigurationKey(
      "model.peepholes", \.model.peepholes, .flag, "lstm: gates see the cell state (Gers & Schmidhuber 2000)"),
    ConfigurationKey(
      "model.projection_size", \.model.projectionSize, .optional(.integer(.within(1...65_536))),
      "lstm: width of the projected output (Sak et al. 2014); null: none"),
    ConfigurationKey(
      "model.cell_clip", \.model.cellClip, .optional(.number(.above(0))),
      "lstm: limit of the cell state's absolute value; null: none"),
    ConfigurationKey(
      "model.coupled_gates", \.model.coupledGates, .flag, "lstm: the input gate is 1 - forget gate"),
    ConfigurationKey(
      "model.layer_norm", \.model.layerNorm, .flag, "lstm, gru: layer normalization (Ba et al. 2016)"),
    ConfigurationKey(
      "model.residual", \.model.residual, .flag, "add a layer's input to its output, from the second layer on"
    ),
    ConfigurationKey(
      "model.highway", \.model.highway, .flag,
      "a learnt mixture of a layer's input and output, from the second layer on (Srivastava et al. 2015)"),
    ConfigurationKey(
      "model.dropout", \.model.dropout, .number(.from(0, below: 1)),
      "share of units zeroed at the embedding output, between layers and at the last output"),
    ConfigurationKey(
      "model.embedding_dropout", \.model.embeddingDropout, .optional(.number(.from(0, below: 1))),
      "dropout of the embedding output alone; null: as model.dropout"),
    ConfigurationKey(
      "model.variational_dropout", \.model.variationalDropout, .number(.from(0, below: 1)),
      "dropout of the recurrent state with one mask for all steps (Gal & Ghahramani 2016)"),
    ConfigurationKey(
      "model.variational_input_dropout", \.model.variationalInputDropout, .number(.from(0, below: 1)),
      "dropout of each layer's input with one mask for all steps, in the place of model.dropout"),
    ConfigurationKey(
      "model.zoneout", \.model.zoneout, .number(.from(0, below: 1)),
      "share of hidden units that keep their value in a step (Krueger et al. 2017)"),
    ConfigurationKey(
      "model.zoneout_cell", \.model.zoneoutCell, .optional(.number(.from(0, below: 1))),
      "lstm: the same for the cell state; null: as zoneout"),
    ConfigurationKey(
      "model.word_dropout", \.model.wordDropout, .number(.from(0, below: 1)), tasks: .readers,
      "taggers, classifiers, encoders: share of input tokens read as <unk> in training (not bytes)"),
    ConfigurationKey(
      "model.initialization", \.model.initialization, .choice,
      "first values of the recurrent cells: pytorch's, xavier (Glorot & Bengio 2010), or xavier with orthogonal recurrent "
        + "matrices; embeddings and other layers always start as in PyTorch"),
    ConfigurationKey(
      "model.init_uniform", \.model.initUniform, .optional(.number(.above(0, to: 10))),
      "a: every parameter starts from U(-a, a); null: see initialization"),
    ConfigurationKey(
      "model.forget_gate_init", \.model.forgetGateInit, .optional(.number(.within(-100...100))),
      "lstm: first value of the forget gate's bias, a parameter (Jozefowicz et al. 2015); null: as the others"
    ),
  ]

  static let inputAndOutput: [ConfigurationKey] = [
    ConfigurationKey(
      "model.tie_embeddings", \.model.tieEmbeddings, .flag, tasks: [.languageModel, .generator, .seq2seq],
      "input and output of the language model or decoder share one matrix"),
    ConfigurationKey(
      "model.character_embedding_size", \.model.characterEmbeddingSize, .integer(.within(0...65_536)),
      tasks: .readers,
      "of words: numbers for a letter; with character_hidden_size, a recurrent network reads each word's letters"
    ),
    ConfigurationKey(
      "model.character_hidden_size", \.model.characterHiddenSize, .integer(.within(0...65_536)),
      tasks: .readers,
      "units of each direction of that network; 0: none"),
    ConfigurationKey(
      "model.output", \.model.output, .choice,
      "softmax; crf (tagger: linear-chain conditional random field); bernoulli (independent bits); linear (numbers)"
    ),
    ConfigurationKey(
      "model.adaptive_cutoffs", \.model.adaptiveCutoffs, .rising(.atLeast(1)), tasks: [.languageModel],
      "language model: ids at which clusters of rarer tokens begin (adaptive softmax, Grave et al. 2017); []: one softmax"
    ),
    ConfigurationKey(
      "model.adaptive_factor", \.model.adaptiveFactor, .number(.within(1...1024)), tasks: [.languageModel],
      "adaptive softmax: by how much each cluster is narrower than the one before"),
    ConfigurationKey(
      "model.pooling", \.model.pooling, .choice, tasks: [.classifier],
      "classifier: how all states become one vector"),
    ConfigurationKey(
      "model.readout_size", \.model.readoutSize, .integer(.within(0...65_536)), tasks: .writers,
      "decoder: width of tanh(W [state; c; token]) before the output layer; 0: none"),
  ]

  static let encoderDecoder: [ConfigurationKey] = [
    ConfigurationKey(
      "model.context", \.model.context, .choice, tasks: [.seq2seq],
      "seq2seq: how the decoder uses the encoder"),
    ConfigurationKey(
      "model.bridge", \.model.bridge, .choice, tasks: [.seq2seq],
      "seq2seq: the decoder starts from a transform of c, or from a copy of the encoder's last states of the same size"
    ),
    ConfigurationKey(
      "model.summary", \.model.summary, .choice, tasks: [.seq2seq],
      "seq2seq: c is the encoder's last state, a transform of it, or a transform of all states"),
    ConfigurationKey(
      "model.context_to_output", \.model.contextToOutput, .flag, tasks: [.seq2seq],
      "every-step: c also goes to the output layer"),
    ConfigurationKey(
      "model.condition", \.model.condition, .choice, tasks: [.generator],
      "generator: where X enters; none: without X"),
    ConfigurationKey(
      "model.attention", \.model.attention, .choice, tasks: [.seq2seq],
      "score of an encoder's state (Bahdanau 2014, Luong 2015)"
    ),
    ConfigurationKey(
      "model.attention_size", \.model.attentionSize, .optional(.integer(.within(1...65_536))),
      tasks: [.classifier, .seq2seq],
      "units of the additive score; null: as the decoder"),
    ConfigurationKey(
      "model.attention_query", \.model.attentionQuery, .choice, tasks: [.seq2seq],
      "the decoder's state before the step, or after it (Luong)"),
    ConfigurationKey(
      "model.attention_window", \.model.attentionWindow, .optional(.integer(.within(0...100_000))),
      tasks: [.seq2seq],
      "attend only so far from the present position (Luong's local-m); null: everywhere"),
    ConfigurationKey(
      "model.coverage", \.model.coverage, .flag, tasks: [.seq2seq],
      "attention remembers what it has looked at (See et al. 2017)"
    ),
    ConfigurationKey(
      "model.input_feeding", \.model.inputFeeding, .flag, tasks: .writers,
      "the decoder reads its last readout as well (Luong 2015)"),
    ConfigurationKey(
      "model.decoder_layers", \.model.decoderLayers, .optional(.integer(.within(1...64))), tasks: .writers,
      "null: as the encoder"),
    ConfigurationKey(
      "model.decoder_hidden_size", \.model.decoderHiddenSize, .optional(.integer(.within(1...65_536))),
      tasks: .writers,
      "null: as the encoder"),
    ConfigurationKey(
      "model.decoder_embedding_size", \.model.decoderEmbeddingSize, .optional(.integer(.within(1...65_536))),
      tasks: .writers,
      "null: as the encoder"),
  ]
}
