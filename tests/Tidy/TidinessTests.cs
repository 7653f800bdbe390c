using System.Text.RegularExpressions;

namespace Sluice.Tidy;

/// <summary>Small rules that keep the tree pleasant to walk in.</summary>
public sealed partial class TidinessTests
{
    private const int FileLinesMax = 800;

    // Written in two parts, so that this file does not offend against its own rule.
    private static readonly Regex Unfinished = new("NotImplemented" + "Exception|\\bTO" + "DO\\b|\\bFIX" + "ME\\b|\\bHA" + "CK\\b");

    private static readonly Regex MachinePath = new("/wo" + "rk/|/fa" + "rm\\b|bash" + "_jobs|/ro" + "ot/|/ho" + "me/\\w+/");

    [Fact]
    public void No_source_file_is_longer_than_800_lines()
    {
        SourceTree.AssertNone(
            from file in SourceTree.Files
            where file.EndsWith(".cs", StringComparison.Ordinal) && !file.EndsWith(".g.cs", StringComparison.Ordinal)
            let lines = SourceTree.ReadLines(file).Length
            where lines > FileLinesMax
            select $"{file}: {lines} lines",
            "One class, one job; split these:");
    }

    [Fact]
    public void No_file_names_a_path_of_the_machine_it_was_written_on()
    {
        SourceTree.AssertNone(LinesThatMatch(MachinePath), "Paths that exist on one machine only:");
    }

    [Fact]
    public void No_file_names_a_private_host_or_a_package_source()
    {
        SourceTree.AssertNone(
            LinesThatMatch(PrivateHost()).Concat(SourceTree.Files.Where(file => PackageSourceFile().IsMatch(file))),
            "Hosts that others cannot reach; package sources are each user's own business:");
    }

    [Fact]
    public void Nothing_is_left_unfinished()
    {
        SourceTree.AssertNone(LinesThatMatch(Unfinished), "Finish these, or write down in words what is missing and why:");
    }

    [Fact]
    public void Every_skipped_test_says_why()
    {
        SourceTree.AssertNone(
            from file in SourceTree.CodeBelow("tests")
            from line in SourceTree.ReadLines(file)
            where SkipWithoutReason().IsMatch(line)
            select $"{file}: {line.Trim()}",
            "A skipped test without a reason is a deleted test that pretends:");
    }

    private static IEnumerable<string> LinesThatMatch(Regex pattern) =>
        from file in SourceTree.TextFiles
        from line in SourceTree.ReadLines(file).Select((text, index) => (Text: text, Number: index + 1))
        where pattern.IsMatch(line.Text)
        select $"{file}:{line.Number}: {line.Text.Trim()}";

    [GeneratedRegex(@"https?://(?!localhost|127\.0\.0\.1|0\.0\.0\.0|broker\b)(\d+\.\d+\.\d+\.\d+|[\w-]+)(:\d+)?(/|\s|$)")]
    private static partial Regex PrivateHost();

    [GeneratedRegex(@"(^|/)(nuget\.config|\.npmrc|pip\.conf|\.pypirc)$", RegexOptions.IgnoreCase)]
    private static partial Regex PackageSourceFile();

    [GeneratedRegex(@"\bSkip\s*=\s*(""\s*""|null|string\.Empty)")]
    private static partial Regex SkipWithoutReason();
}
