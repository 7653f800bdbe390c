namespace Sluice.Tidy;

/// <summary>The repository's files as they lie on disk, without what builds and runs leave behind.</summary>
internal static class SourceTree
{
    private static readonly HashSet<string> Skipped = ["bin", "obj", ".git", "node_modules", "data", "artifacts", "TestResults", ".vs", ".idea", "__pycache__"];

    private static readonly HashSet<string> TextExtensions =
    [
        ".cs", ".csproj", ".props", ".targets", ".slnx", ".json", ".md", ".txt", ".yml", ".yaml", ".sh", ".py", ".js", ".mjs", ".ts", ".html", ".css", ".config", ".editorconfig", "",
    ];

    public static string Root { get; } = FindRoot();

    /// <summary>Paths below the root with '/', sorted.</summary>
    public static IReadOnlyList<string> Files { get; } = [.. Walk("").Order(StringComparer.Ordinal)];

    public static IEnumerable<string> TextFiles => Files.Where(file => TextExtensions.Contains(Path.GetExtension(file)));

    public static IEnumerable<string> CodeBelow(string directory) => Files.Where(file => file.EndsWith(".cs", StringComparison.Ordinal) && file.StartsWith(directory + "/", StringComparison.Ordinal));

    public static string Read(string file) => File.ReadAllText(Path.Combine(Root, file));

    public static string[] ReadLines(string file) => File.ReadAllLines(Path.Combine(Root, file));

    public static bool Exists(string path)
    {
        string full = Path.Combine(Root, path);
        return File.Exists(full) || Directory.Exists(full);
    }

    /// <summary>Fails with all offences at once, one a line.</summary>
    public static void AssertNone(IEnumerable<string> offences, string rule)
    {
        string[] all = [.. offences];
        Assert.True(all.Length == 0, $"{rule}{Environment.NewLine}{string.Join(Environment.NewLine, all)}");
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? directory = new(AppContext.BaseDirectory); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Sluice.slnx")))
            {
                return directory.FullName;
            }
        }

        throw new InvalidOperationException("Sluice.slnx is not above " + AppContext.BaseDirectory);
    }

    private static IEnumerable<string> Walk(string directory)
    {
        foreach (string path in Directory.EnumerateFiles(Path.Combine(Root, directory)))
        {
            yield return directory + Path.GetFileName(path);
        }

        foreach (string path in Directory.EnumerateDirectories(Path.Combine(Root, directory)))
        {
            string name = Path.GetFileName(path);
            if (!Skipped.Contains(name))
            {
                foreach (string file in Walk(directory + name + "/"))
                {
                    yield return file;
                }
            }
        }
    }
}
