// Separate file: the readers of rows and of columns find headers by the same names.

/// Names of columns: those of labels, and those of anything else.
enum ColumnName {
  static let labels: Set = [
    "label", "labels", "class", "category", "tag", "tags", "target", "y", "ner", "pos", "upos", "xpos",
  ]
  static let others: Set = [
    "text", "sentence", "utterance", "source", "src", "tgt", "trg", "input", "output", "file", "path",
    "second source", "second_source", "text1", "text2", "sentence1", "sentence2", "question1", "question2",
    "premise", "hypothesis", "word", "words", "token", "form",
  ]

  static func isKnown(_ name: String) -> Bool { labels.contains(name) || others.contains(name) }

  /// The codes of languages of ISO 639-1.
  private static let languages = Set(
    """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en eo es et eu fa
    ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr
    ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl
    ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur
    uz ve vi vo wa wo xh yi yo za zh zu
    """.split { $0 == " " || $0 == "\n" })

  /// Whether texts are the codes of different languages, perhaps with a region, such as `en` and `pt-br`.
  static func areLanguages(_ names: [String]) -> Bool {
    Set(names).count == names.count
      && names.allSatisfy { name in
        let code = name.prefix { $0 != "-" && $0 != "_" }
        return languages.contains(code) && name.utf8.count <= 7
      }
  }
}
