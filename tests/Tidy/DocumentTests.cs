using System.Text.RegularExpressions;

namespace Sluice.Tidy;

/// <summary>What the documents point at must be there.</summary>
public sealed partial class DocumentTests
{
    private static IEnumerable<string> Documents => SourceTree.Files.Where(file => file.EndsWith(".md", StringComparison.Ordinal));

    [Fact]
    public void Links_lead_to_files_that_exist()
    {
        SourceTree.AssertNone(
            from file in Documents
            from Match match in Link().Matches(WithoutCodeBlocks(SourceTree.Read(file)))
            let target = match.Groups[1].Value.Split('#')[0]
            where target.Length > 0 && !target.Contains("://", StringComparison.Ordinal) && !target.StartsWith("mailto:", StringComparison.Ordinal)
            where !SourceTree.Exists(Resolve(file, target))
            select $"{file}: {match.Groups[1].Value}",
            "Links that lead nowhere:");
    }

    [Fact]
    public void Paths_in_backticks_name_files_that_exist()
    {
        SourceTree.AssertNone(
            from file in Documents
            from Match match in QuotedPath().Matches(SourceTree.Read(file))
            let path = match.Groups[1].Value.TrimEnd('/', '.')
            where !Placeholder().IsMatch(path)
            where !ExistsOrMatches(path)
            select $"{file}: `{match.Groups[1].Value}`",
            "Documents name files that do not exist:");
    }

    [Fact]
    public void Commands_at_the_root_that_documents_name_exist()
    {
        SourceTree.AssertNone(
            from file in Documents
            from Match match in RootCommand().Matches(SourceTree.Read(file))
            where match.Groups[1].Value != "data" && !SourceTree.Exists(match.Groups[1].Value)
            select $"{file}: {match.Value.Trim()}",
            "Commands that are not there:");
    }

    private static bool ExistsOrMatches(string path)
    {
        path = LineNumber().Replace(path, "");
        if (!path.Contains('*', StringComparison.Ordinal))
        {
            return SourceTree.Exists(path);
        }

        var pattern = new Regex("^" + Regex.Escape(path).Replace("\\*\\*", ".*", StringComparison.Ordinal).Replace("\\*", "[^/]*", StringComparison.Ordinal) + "(/.*)?$");
        return SourceTree.Files.Any(pattern.IsMatch);
    }

    private static string Resolve(string document, string target) => target.StartsWith('/')
        ? target[1..]
        : Path.GetRelativePath(SourceTree.Root, Path.GetFullPath(Path.Combine(SourceTree.Root, Path.GetDirectoryName(document) ?? "", target)));

    private static string WithoutCodeBlocks(string text) => CodeBlock().Replace(text, "");

    [GeneratedRegex(@"(?<!!)\[[^\]\n]*\]\(([^)\s]+)\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"^```[\s\S]*?^```|`[^`\n]*`", RegexOptions.Multiline)]
    private static partial Regex CodeBlock();

    [GeneratedRegex(@"`((?:src|docs|tests|bench|examples)/[^`\s]*)`")]
    private static partial Regex QuotedPath();

    [GeneratedRegex(@"<[^>]*>|\{[^}]*\}|NNNN|…")]
    private static partial Regex Placeholder();

    [GeneratedRegex(@":\d+(-\d+)?$")]
    private static partial Regex LineNumber();

    [GeneratedRegex(@"(?:^|[\s`])\./([a-z][\w.-]*)(?=[\s`]|$)", RegexOptions.Multiline)]
    private static partial Regex RootCommand();
}
