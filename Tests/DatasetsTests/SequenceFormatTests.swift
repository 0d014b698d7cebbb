import Datasets
import Testing

/// Every format of every task that has it: what is read is what was written.
@Suite struct SequenceFormatTests {
  @Test func linesAreTargetsOfAGenerator() throws {
    let corpus = try SequenceOptions(.generator, .lines, target: .char).load(.text("ab\r\nb a\nc"))
    #expect(corpus.train.source == nil)
    #expect(corpus.train.words(.target, corpus.encoding.target) == [["a", "b"], ["b", " ", "a"], ["c"]])
    #expect(corpus.encoding.target?.tokens == ["<unk>", "<bos>", "<eos>", " ", "a", "b", "c"])
    #expect(corpus.encoding.source == nil && corpus.encoding.labels == nil)
  }

  @Test func tsvHoldsLabelAndText() throws {
    let text = "\u{FEFF}good\tso  good \nbad\tso bad\ngood\tgood"
    let corpus = try SequenceOptions(.classifier, .tsv).load(.text(text))
    #expect(corpus.encoding.labels?.names == ["bad", "good"])
    #expect(corpus.train.target == .labels([1, 0, 1]))
    let words = corpus.train.words(.source, corpus.encoding.source)
    #expect(words == [["so", "good"], ["so", "bad"], ["good"]])
    // By falling frequency.
    #expect(corpus.encoding.source?.tokens == ["<unk>", "good", "so", "bad"])

    let generator = try SequenceOptions(.generator, .tsv, target: .char).load(.text(text))
    #expect(generator.train.source == .labels([1, 0, 1]))
    #expect(generator.train.words(.target, generator.encoding.target)[2] == ["g", "o", "o", "d"])
  }

  @Test func tsvHoldsSourceAndTarget() throws {
    let options = SequenceOptions(.seq2seq, .tsv, source: .char, target: .space)
    let corpus = try options.load(.text("ABC\tEY B\nB\tB\n\n\n"))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["A", "B", "C"], ["B"]])
    #expect(corpus.train.words(.target, corpus.encoding.target) == [["EY", "B"], ["B"]])
    #expect(corpus.train.secondSource == nil)
    #expect(corpus.encoding.target?.beginOfSentence == 1)
    #expect(corpus.encoding.target?.endOfSentence == 2)
    #expect(corpus.encoding.source?.endOfSentence == nil)
  }

  @Test func aThirdColumnIsASecondSource() throws {
    let corpus = try SequenceOptions(.seq2seq, .tsv).load(.text("a b\tc\td a\nb\tc c\ta"))
    let source = corpus.encoding.source
    #expect(corpus.train.words(.source, source) == [["a", "b"], ["b"]])
    #expect(corpus.train.words(.secondSource, source) == [["d", "a"], ["a"]])
    #expect(corpus.train.words(.target, corpus.encoding.target) == [["c"], ["c", "c"]])
    #expect(corpus.train.lengths(.secondSource) == [2, 1])
  }

  @Test func parallelFilesAreReadInStep() throws {
    let pairs = try SequenceOptions(.seq2seq, .lines).load(
      .parallel("a b\nc\n", "x\ny z\n\n", second: "q\nr"))
    #expect(pairs.train.words(.source, pairs.encoding.source) == [["a", "b"], ["c"]])
    #expect(pairs.train.words(.target, pairs.encoding.target) == [["x"], ["y", "z"]])
    #expect(pairs.train.words(.secondSource, pairs.encoding.source) == [["q"], ["r"]])

    let tagger = try SequenceOptions(.tagger, .lines).load(.parallel("to rome \nno", "O B \nO"))
    #expect(tagger.train.tags(tagger.encoding.labels) == [["O", "B"], ["O"]])

    let classifier = try SequenceOptions(.classifier, .lines).load(.parallel("to rome\nno", "go\n stay \n"))
    #expect(classifier.encoding.labels?.names == ["go", "stay"])
    #expect(classifier.train.target == .labels([0, 1]))

    let generator = try SequenceOptions(.generator, .lines).load(.parallel("x\ny", "a b\nc"))
    #expect(generator.train.source == .labels([0, 1]))
    #expect(generator.train.lengths(.target) == [2, 1])
  }

  @Test func numbersPerStepAndPerSequence() throws {
    let steps = try SequenceOptions(.tagger, .lines) { $0.numericTargets = true }
      .load(.parallel("a b\nc", "1 -2.5\n3e2"))
    #expect(steps.train.numbers(.target) == [[1, -2.5], [300]])
    #expect(steps.train.lengths(.target) == [2, 1])
    let regression = try SequenceOptions(.classifier, .tsv) { $0.numericTargets = true }
      .load(.text("1 2\ta b\n3 4\tc"))
    #expect(regression.train.numbers(.target) == [[1, 2], [3, 4]])
    #expect(regression.train.lengths(.target) == [1, 1])
    #expect(regression.encoding.targetWidth == 2)
    #expect(regression.encoding.labels == nil)
  }

  @Test func columnsHoldWordAndTag() throws {
    let text = "\n\nEU NNP B-ORG\nrejects\tVBZ  O\r\n \t\nGerman JJ B-MISC\n\n\n"
    let corpus = try SequenceOptions(.tagger, .columns) { $0.keepTrainingTexts = true }.load(.text(text))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["EU", "rejects"], ["German"]])
    #expect(corpus.train.tags(corpus.encoding.labels) == [["B-ORG", "O"], ["B-MISC"]])
    #expect(corpus.encoding.labels?.names == ["B-MISC", "B-ORG", "O"])
    #expect(corpus.train.sourceTexts?.string(0) == "EU rejects")
  }

  @Test func conlluSkipsRangesEmptyWordsAndComments() throws {
    let rest = "\t_\t_\t_\t_\t_\t_"
    let text = """
      # sent_id = 1
      1-2\tdon't\t_\t_\(rest)
      1\tdo\tdo\tAUX\(rest)
      2\tn't\tnot\tPART\(rest)
      2.1\tgo\tgo\tVERB\(rest)

      # only a comment

      1\t10 000\t10000\tNUM\(rest)
      """
    let corpus = try SequenceOptions(.tagger, .conllu).load(.text(text))
    #expect(corpus.train.words(.source, corpus.encoding.source) == [["do", "n't"], ["10 000"]])
    #expect(corpus.train.tags(corpus.encoding.labels) == [["AUX", "PART"], ["NUM"]])
  }

  @Test func csvIsASeries() throws {
    let corpus = try SequenceOptions(.classifier, .csv).load(.text("2,-0.5,1e-2\n10, 3 ,4\n2,5,6\n"))
    // By value, not by spelling.
    #expect(corpus.encoding.labels?.names == ["2", "10"])
    #expect(corpus.train.target == .labels([0, 1, 0]))
    #expect(corpus.train.numbers(.source) == [[-0.5, 0.01], [3, 4], [5, 6]])
    #expect(corpus.train.lengths(.source) == [2, 2, 2])
    #expect(corpus.encoding.sourceWidth == 1)
    let named = try SequenceOptions(.classifier, .csv).load(.text("label,x0,x1\na,1,2\n"))
    #expect(named.train.numbers(.source) == [[1, 2]])
    let text = try SequenceOptions(.seq2seq, .csv, target: .char).load(.text("up,1,2\n"))
    #expect(text.train.words(.target, text.encoding.target) == [["u", "p"]])
  }

  @Test func multihotIsZerosAndOnes() throws {
    let options = SequenceOptions(.tagger, .multihot) { $0.multihotWidth = 4 }
    let corpus = try options.load(.text("0 3||1\n2"))
    #expect(corpus.train.numbers(.target) == [[1, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0], [0, 0, 1, 0]])
    #expect(corpus.train.lengths(.target) == [3, 1])
    #expect(corpus.train.source == nil)
    let classes = try SequenceOptions(.classifier, .multihot) { $0.multihotWidth = 2 }.load(.text("x\t0|1"))
    #expect(classes.train.numbers(.source) == [[1, 0, 0, 1]])
  }

  @Test func formatsThatATaskHasNoUseFor() {
    let wrong: [(SequenceOptions, SequenceSource)] = [
      (SequenceOptions(.tagger, .tsv), .text("a\tb")), (SequenceOptions(.tagger, .lines), .text("a")),
      (SequenceOptions(.classifier, .columns), .text("a b")),
      (SequenceOptions(.generator, .csv), .text("a,1")),
      (SequenceOptions(.seq2seq, .lines), .text("a")),
      (SequenceOptions(.tagger, .columns, source: .char), .text("a b")),
      (SequenceOptions(.tagger, .lines, source: .bpe), .parallel("a", "b")),
      (SequenceOptions(.classifier, .tsv), .parallel("a", "b")),
      (SequenceOptions(.classifier, .lines), .parallel("a", "b", second: "c")),
      (SequenceOptions(.classifier, .tsv, source: .char) { $0.characters = true }, .text("a\tb")),
      (SequenceOptions(.tagger, .conllu) { $0.numericTargets = true }, .text("a b")),
      (SequenceOptions(.seq2seq, .tsv, source: .char) { $0.sharedVocabulary = true }, .text("a\tb")),
    ]
    for (options, source) in wrong {
      let error = #expect(throws: DataError.self) { try options.load(source) }
      guard case .unsupported(options.task, options.format, _) = error else {
        Issue.record("\(options.task) \(options.format): \(String(describing: error))")
        continue
      }
      #expect(error?.exitCode == 65)
    }
  }
}
