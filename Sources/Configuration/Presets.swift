/// The configurations built into the program; the same texts as `configs/NAME.yaml`.
public enum Presets {
  /// The names, the one that `train` uses alone first.
  public static let names = texts.map(\.name)

  /// The YAML text of a preset, or nil when there is none of that name.
  public static func text(named name: String) -> String? {
    texts.first { $0.name == name }?.text
  }

  private static let texts: [(name: String, text: String)] = [
    ("default", defaultPreset),
    ("char-lm", characterLanguageModelPreset),
    ("ptb-small", pennTreebankPreset),
    ("war-and-peace-bytes", warAndPeacePreset),
  ]
}
