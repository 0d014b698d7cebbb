import NumericKernels

/// What this program is, for `--version`, for `run.json`, and for refusing to train together with another build.
enum ProgramVersion {
  static let text = "0.1.0"

  static var all: [String: String] {
    ["rnn-dist": text, "blas": "OpenBLAS \(BLAS.coreName)"]
  }
}
