// Separate file: a release changes only this file.

/// The version of this program, as shown by `--version`, in run.json and in the signatures of scores.
public enum ReleaseVersion {
  public static let text = "0.2.0"
}
