using System.Text.RegularExpressions;

namespace Sluice.Tidy;

/// <summary>C# source without its comments and string contents, line for line.</summary>
internal static partial class CodeText
{
    public static string[] Lines(string file) => Blank().Replace(SourceTree.Read(file), match => match.Value[0] == '/' || match.Value.Contains('\n', StringComparison.Ordinal)
        ? new string('\n', match.Value.Count(character => character == '\n'))
        : "\"\"").Split('\n');

    /// <summary>Lines of code that match, as "file:line: code".</summary>
    public static IEnumerable<string> Find(string file, Regex pattern) => Lines(file)
        .Select((line, index) => (Line: line, Number: index + 1))
        .Where(line => pattern.IsMatch(line.Line))
        .Select(line => $"{file}:{line.Number}: {line.Line.Trim()}");

    [GeneratedRegex("""//[^\n]*|/\*[\s\S]*?\*/|\"{3}[\s\S]*?\"{3}|@"(?:[^"]|"")*"|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])+'""")]
    private static partial Regex Blank();
}
