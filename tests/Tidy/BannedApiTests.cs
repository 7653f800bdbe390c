using System.Text.RegularExpressions;

namespace Sluice.Tidy;

/// <summary>
/// Time, chance, threads and files come in by constructor, so that the same code runs under a simulator with virtual time and a faulty disk.
/// The real ones live in the System folders of Base, which are the only place where these names may stand.
/// </summary>
public sealed class BannedApiTests
{
    private static readonly string[] Layers = ["src/Sluice.Base", "src/Sluice.Storage", "src/Sluice.Broker", "src/Sluice.Cluster"];

    private static readonly (string Pattern, string Instead)[] Banned =
    [
        (@"\bDateTime(Offset)?\.(UtcNow|Now|Today)\b", "the TimeProvider given"),
        (@"\bTimeProvider\.System\b", "the TimeProvider given"),
        (@"\bStopwatch\b", "TimeProvider.GetTimestamp"),
        (@"\bEnvironment\.TickCount", "TimeProvider.GetTimestamp"),
        (@"\bTask\.Delay\b", "TimeProvider.CreateTimer"),
        (@"\bThread\.Sleep\b", "TimeProvider.CreateTimer"),
        (@"\bPeriodicTimer\b|\bnew (System\.Threading\.)?Timer\(", "TimeProvider.CreateTimer"),
        (@"\bTask\.Run\b|\bTask\.Factory\b", "the IScheduler given"),
        (@"\bnew Thread\b|\bThreadPool\.|\bThread\.Yield\b", "the IScheduler given"),
        (@"\bParallel\.(For|ForEach|Invoke)", "the IScheduler given"),
        (@"\bRandom\.Shared\b|\bnew Random\(\)|\bGuid\.(NewGuid|CreateVersion7)\b|\bRandomNumberGenerator\b", "the Random given"),
        (@"(?<![\w.])File\.\w|\bnew FileStream\b|\bnew FileInfo\b|\bRandomAccess\.", "the IDisk given"),
        (@"(?<![\w.])Directory\.(Create|Delete|Enumerate|Exists|Get|Move|Set)|\bnew DirectoryInfo\b|\bnew DriveInfo\b|\bMemoryMappedFile\b", "the IDisk given"),
        (@"\bConsole\.", "the ILogger given"),
        (@"\bEnvironment\.(Exit|FailFast|GetEnvironmentVariable)\b", "nothing: it belongs to the program, not to a library"),
    ];

    [Fact]
    public void The_layers_below_protocols_take_time_chance_threads_and_files_by_constructor()
    {
        SourceTree.AssertNone(
            from layer in Layers
            from file in SourceTree.CodeBelow(layer)
            where !file.StartsWith("src/Sluice.Base/System", StringComparison.Ordinal)
            from rule in Banned
            from line in CodeText.Find(file, new Regex(rule.Pattern))
            select $"{line}   (use {rule.Instead})",
            "Not deterministic under the simulator:");
    }

    [Theory]
    [InlineData("var now = DateTime.UtcNow;")]
    [InlineData("await Task.Delay(5);")]
    [InlineData("if (File.Exists(path))")]
    [InlineData("ThreadPool.QueueUserWorkItem(x);")]
    public void The_rules_find_what_they_are_for(string line) => Assert.Contains(Banned, rule => Regex.IsMatch(line, rule.Pattern));

    [Theory]
    [InlineData("IDisk.File.Length")]
    [InlineData("options.Directory.Length")]
    [InlineData("logFile.Open()")]
    public void The_rules_leave_the_rest_alone(string line) => Assert.DoesNotContain(Banned, rule => Regex.IsMatch(line, rule.Pattern));
}
