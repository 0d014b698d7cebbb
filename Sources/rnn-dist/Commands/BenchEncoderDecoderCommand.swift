import ArgumentParser
import Benchmarking
import Communication

struct EncoderDecoderBenchCommand: DistributedCommand {
  static let configuration = CommandConfiguration(
    commandName: "seq2seq",
    abstract: "Time whole training steps of an encoder-decoder with attention on random pairs.",
    discussion: """
      A bidirectional LSTM of --hidden units per direction, a decoder LSTM and an additive attention of --hidden units, a readout of \
      --embed units. --batch is the global batch; the tokens of the targets are counted.
      """)

  @Option(help: "Vocabulary size of the sources.") var src = 8000
  @Option(help: "Vocabulary size of the targets.") var tgt = 8000
  @Option(help: "Embedding size of both.") var embed = 256
  @Option(help: "Units.") var hidden = 512
  @Option(help: "Pairs per step over all ranks.") var batch = 64
  @Option(help: "Length of every source.") var slen = 20
  @Option(help: "Predictions per target, its end included.") var tlen = 20
  @OptionGroup var step: StepBenchmarkArguments

  func validate() throws {
    try requireSizes([
      "src": src, "embed": embed, "hidden": hidden, "batch": batch, "slen": slen, "tlen": tlen,
    ])
    guard (2...1 << 24).contains(tgt) else { throw ValidationError("--tgt must be 2 or more, not \(tgt)") }
  }

  func run(on communicator: any Communicator) throws -> Int32 {
    let timing = step.benchmark(optimizer: .adam, iterations: 10)
    let benchmark = EncoderDecoderBenchmark(
      sourceVocabulary: src, targetVocabulary: tgt, embeddingSize: embed, hiddenSize: hidden,
      batchSize: batch, sourceLength: slen, targetLength: tlen, benchmark: timing)
    let subject = StepBenchmarkArguments.Subject(
      name: "seq2seq",
      settings: [
        [
          "src": .integer(src), "tgt": .integer(tgt), "embed": .integer(embed), "hidden": .integer(hidden),
          "batch": .integer(batch), "slen": .integer(slen), "tlen": .integer(tlen),
        ]
      ],
      summary: "seq2seq \(hidden), V=\(tgt), B=\(batch), \(slen) to \(tlen)", tokens: "target ")
    return try step.report(subject, timing, on: communicator) { try benchmark.run(on: communicator) }
  }
}
