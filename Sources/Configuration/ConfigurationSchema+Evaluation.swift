extension ConfigurationSchema {
  static let decoding: [ConfigurationKey] = [
    ConfigurationKey(
      "decoding.beam", \.decoding.beam, .integer(.within(1...1000)), tasks: .writers,
      "hypotheses kept for each sequence; 1: greedy"),
    ConfigurationKey(
      "decoding.length_penalty", \.decoding.lengthPenalty, .number(.within(0...10)), tasks: .writers,
      "exponent of the length normalization (Wu et al. 2016); 0: none"),
    ConfigurationKey(
      "decoding.coverage_penalty", \.decoding.coveragePenalty, .number(.within(0...10)), tasks: [.seq2seq],
      "weight of the coverage penalty (Wu et al. 2016); needs attention"),
    ConfigurationKey(
      "decoding.patience", \.decoding.patience, .optional(.number(.within(1...100))), tasks: .writers,
      "a search ends when so many times beam hypotheses have ended (Kasai et al. 2022); null: when no other can win"
    ),
    ConfigurationKey(
      "decoding.min_length", \.decoding.minLength, .integer(.within(0...100_000)), tasks: .writers,
      "fewest tokens of an output"),
    ConfigurationKey(
      "decoding.max_length", \.decoding.maxLength, .integer(.within(1...100_000)), tasks: .writers,
      "most tokens of an output"),
    ConfigurationKey(
      "decoding.max_length_ratio", \.decoding.maxLengthRatio, .number(.within(0...1000)), tasks: [.seq2seq],
      "most tokens of an output for each of the source, plus ten; 0: max_length alone"),
    ConfigurationKey(
      "decoding.no_repeat_ngram", \.decoding.noRepeatNgram, .integer(.within(0...100)), tasks: .writers,
      "no run of so many tokens twice in an output; 0: off"),
    ConfigurationKey(
      "decoding.replace_unknown", \.decoding.replaceUnknown, .flag, tasks: [.seq2seq],
      "write the source token with the largest attention in place of <unk>; needs attention without a pyramid"
    ),
  ]

  static let evaluation: [ConfigurationKey] = [
    ConfigurationKey(
      "evaluation.every_steps", \.evaluation.everySteps, .integer(.atLeast(0)),
      "0: at the end of each epoch"),
    ConfigurationKey(
      "evaluation.metric", \.evaluation.metric, .choice,
      "decides which checkpoint is the best, and when patience and plateau count"),
    ConfigurationKey(
      "evaluation.patience", \.evaluation.patience, .integer(.atLeast(0)),
      "evaluations in a row without improvement that end the run; 0: off"),
    ConfigurationKey(
      "evaluation.batch_size", \.evaluation.batchSize, .integer(.within(1...1_000_000)),
      "sequences (language model: parallel streams of the text) scored together"),
    ConfigurationKey(
      "evaluation.decode_limit", \.evaluation.decodeLimit, .integer(.atLeast(0)), tasks: .writers,
      "during training: sources whose outputs are compared, for the metric; 0: all"),
    ConfigurationKey(
      "evaluation.bleu_tokens", \.evaluation.bleuTokens, .choice, tasks: .writers,
      "how BLEU splits texts into words, as in sacrebleu"),
    ConfigurationKey(
      "evaluation.group_references", \.evaluation.groupReferences, .flag, tasks: .writers,
      "lines with the same source are one source with several references; false: each line is compared by itself"
    ),
  ]

  static let log: [ConfigurationKey] = [
    ConfigurationKey(
      "log.every_steps", \.log.everySteps, .integer(.atLeast(1)), "updates between two reports"),
    ConfigurationKey("log.tensorboard", \.log.tensorboard, .flag, "write events for TensorBoard as well"),
  ]

  static let checkpoint: [ConfigurationKey] = [
    ConfigurationKey(
      "checkpoint.every_steps", \.checkpoint.everySteps, .integer(.atLeast(0)),
      "0: at the end of each epoch"),
    ConfigurationKey(
      "checkpoint.keep", \.checkpoint.keep, .integer(.atLeast(1)), "newest checkpoints kept, besides the best"
    ),
  ]
}
