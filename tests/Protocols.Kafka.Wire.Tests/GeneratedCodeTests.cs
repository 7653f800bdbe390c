using Sluice.Protocols.Kafka.Wire.Generator;

namespace Sluice.Protocols.Kafka.Wire.Tests;

/// <summary>Generated code is checked in; with UPDATE_GENERATED=1 this test writes it.</summary>
public sealed class GeneratedCodeTests
{
    [Fact]
    public void Checked_in_code_is_that_of_the_tables()
    {
        CodecSources sources = CodecSources.Find(AppContext.BaseDirectory)!;
        if (Environment.GetEnvironmentVariable("UPDATE_GENERATED") == "1")
        {
            sources.Write();
        }

        IReadOnlyDictionary<string, string> expected = sources.Generate();
        Assert.Equal(expected.Keys, Directory.EnumerateFiles(sources.GeneratedFolder).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        foreach ((string name, string text) in expected)
        {
            Assert.Equal(text, File.ReadAllText(Path.Combine(sources.GeneratedFolder, name)));
        }
    }
}
