// Separate file: the only list of presets.

/// The configurations built into the program: the files of `configs/`, embedded when the package is built.
public enum Presets {
  /// The names, starting with the preset that `train` uses by default.
  public static let names = files.map(\.name)

  /// The YAML text of a preset, or nil if there is no preset of that name.
  public static func text(named name: String) -> String? {
    files.first { $0.name == name }.map { String(decoding: $0.text, as: UTF8.self) }
  }

  private static let files: [(name: String, text: [UInt8])] = [
    ("default", PackageResources.default_yaml),
    ("text", PackageResources.text_yaml),
    ("char-lm", PackageResources.char_lm_yaml),
    ("ptb-small", PackageResources.ptb_small_yaml),
    ("war-and-peace-bytes", PackageResources.war_and_peace_bytes_yaml),
    ("tagger", PackageResources.tagger_yaml),
    ("slots", PackageResources.slots_yaml),
    ("music", PackageResources.music_yaml),
    ("intent", PackageResources.intent_yaml),
    ("mnist1d", PackageResources.mnist1d_yaml),
    ("japanese-vowels", PackageResources.japanese_vowels_yaml),
    ("entailment", PackageResources.entailment_yaml),
    ("forecast", PackageResources.forecast_yaml),
    ("surnames", PackageResources.surnames_yaml),
    ("captions", PackageResources.captions_yaml),
    ("reversal", PackageResources.reversal_yaml),
    ("addition", PackageResources.addition_yaml),
    ("translation", PackageResources.translation_yaml),
    ("pronunciation", PackageResources.pronunciation_yaml),
    ("pronunciation-small", PackageResources.pronunciation_small_yaml),
    ("reading", PackageResources.reading_yaml),
    ("speech", PackageResources.speech_yaml),
  ]
}
