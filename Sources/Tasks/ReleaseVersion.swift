// Its own file: a release changes this file alone.

/// The version of this program, as `--version`, run.json and the signatures of scores give it.
public enum ReleaseVersion {
  public static let text = "0.1.0"
}
