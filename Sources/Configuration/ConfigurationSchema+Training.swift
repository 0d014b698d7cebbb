extension ConfigurationSchema {
  static let training: [ConfigurationKey] = [
    ConfigurationKey(
      "training.batch_size", \.training.batchSize, .integer(.within(1...1_000_000)),
      "sequences (language model: parallel streams of text) in a step, over all ranks together"),
    ConfigurationKey(
      "training.batch_tokens", \.training.batchTokens, .optional(.integer(.within(1...1_000_000_000))),
      tasks: .sequences,
      "tokens in a step over all ranks, instead of batch_size; null: batch_size counts"),
    ConfigurationKey(
      "training.bucketing", \.training.bucketing, .flag, tasks: .sequences,
      "sequences of similar length in one step; language models have no use for it"),
    ConfigurationKey(
      "training.bptt", \.training.bptt, .integer(.within(1...1_000_000)), tasks: [.languageModel],
      "language model: tokens of each stream in a step; the state is carried over"),
    ConfigurationKey(
      "training.epochs", \.training.epochs, .integer(.within(0...1_000_000_000_000)),
      "passes over the text; 0: not limited"),
    ConfigurationKey(
      "training.steps", \.training.steps, .integer(.within(0...1_000_000_000_000)),
      "updates; 0: not limited; the first limit reached ends the run"),
    ConfigurationKey(
      "training.optimizer", \.training.optimizer, .choice, "rule of the update, as in PyTorch"),
    ConfigurationKey(
      "training.learning_rate", \.training.learningRate, .number(.above(0)), "before the schedule's factor"),
    ConfigurationKey(
      "training.momentum", \.training.momentum, .number(.from(0, below: 1)), "momentum, nesterov"),
    ConfigurationKey(
      "training.decay", \.training.decay, .number(.from(0, below: 1)), "rmsprop: decay of the mean square"),
    ConfigurationKey(
      "training.beta1", \.training.beta1, .number(.from(0, below: 1)), "adam, adamw: decay of the mean"),
    ConfigurationKey(
      "training.beta2", \.training.beta2, .number(.from(0, below: 1)), "adam, adamw: decay of the mean square"
    ),
    ConfigurationKey(
      "training.epsilon", \.training.epsilon, .optional(.number(.above(0))),
      "added to the denominator; null: the optimizer's own (adagrad 1e-10, others 1e-8)"),
    ConfigurationKey(
      "training.weight_decay", \.training.weightDecay, .number(.atLeast(0)),
      "pull towards zero; adamw: apart from the gradient"),
    ConfigurationKey(
      "training.clip_norm", \.training.clipNorm, .number(.atLeast(0)),
      "longest gradient (Euclidean norm over all parameters); 0: off"),
    ConfigurationKey(
      "training.reproducible", \.training.reproducible, .flag,
      "the same bits on 1, 2, 4 and 8 ranks; needs a batch_size of at least 8"),
    ConfigurationKey(
      "training.precision", \.training.precision, .choice,
      "operands of matrix products; sums, parameters and moments are fp32 either way"),
    ConfigurationKey(
      "training.products", \.training.products, .choice,
      "who computes a product in fp32, kernels or OpenBLAS: a rule of the processor, or what is faster for its shape, measured "
        + "before the first step and kept in the user's cache directory; tuned runs have other bits on other machines"
    ),
    ConfigurationKey(
      "training.recompute", \.training.recompute, .integer(.within(0...1_000_000)), tasks: [.languageModel],
      "language model: keep the activations of so many steps of a chunk only and compute the rest again on the way back: "
        + "less memory, a third more work; 0: off"),
    ConfigurationKey(
      "training.accumulate", \.training.accumulate, .integer(.within(1...100_000)),
      "chunks whose gradients are added up before an update"),
    ConfigurationKey(
      "training.skip_limit", \.training.skipLimit, .integer(.atLeast(1)),
      "steps in a row with a gradient that isn't finite before the run stops"),
    ConfigurationKey(
      "training.drop_last_chunk", \.training.dropLastChunk, .flag, tasks: [.languageModel],
      "leave out the chunk shorter than bptt at the end of an epoch"),
    ConfigurationKey(
      "training.label_smoothing", \.training.labelSmoothing, .number(.from(0, below: 1)),
      "share of the target spread over all classes"),
    ConfigurationKey(
      "training.teacher_forcing", \.training.teacherForcing, .number(.within(0...1)), tasks: .writers,
      "seq2seq, generator: probability that a step reads the true token rather than the model's own"),
    ConfigurationKey(
      "training.teacher_forcing_end", \.training.teacherForcingEnd, .optional(.number(.within(0...1))),
      tasks: .writers,
      "probability after teacher_forcing_steps, reached in a straight line; null: constant"),
    ConfigurationKey(
      "training.teacher_forcing_steps", \.training.teacherForcingSteps, .integer(.atLeast(0)),
      tasks: .writers,
      "updates until teacher_forcing_end"),
    ConfigurationKey(
      "training.coverage_weight", \.training.coverageWeight, .number(.atLeast(0)), tasks: [.seq2seq],
      "with model.coverage: weight of the coverage loss"),
    ConfigurationKey(
      "training.average_decay", \.training.averageDecay, .number(.from(0, below: 1)),
      "decay of a moving average of the weights, which is scored and saved instead of them; 0: none"),
  ]

  static let schedule: [ConfigurationKey] = [
    ConfigurationKey(
      "training.schedule.kind", \.training.schedule.kind, .choice, "how the learning rate changes"),
    ConfigurationKey(
      "training.schedule.warmup_steps", \.training.schedule.warmupSteps, .integer(.atLeast(0)),
      "first updates, over which the rate rises from zero"),
    ConfigurationKey(
      "training.schedule.start_epoch", \.training.schedule.startEpoch, .integer(.atLeast(1)),
      "step: epochs at the full rate"),
    ConfigurationKey(
      "training.schedule.factor", \.training.schedule.factor, .number(.above(0, to: 1)),
      "exponential, step: each further epoch; plateau: each time the metric stalls"),
    ConfigurationKey(
      "training.schedule.patience", \.training.schedule.patience, .integer(.atLeast(1)),
      "plateau: evaluations in a row without improvement"),
    ConfigurationKey(
      "training.schedule.minimum", \.training.schedule.minimum, .number(.from(0, below: 1)),
      "lowest rate, as a fraction of learning_rate; where cosine ends"),
  ]
}
