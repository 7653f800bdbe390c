using System.Runtime.CompilerServices;

namespace Sluice.Protocols.Amqp091.Tests.Generation;

/// <summary>The checked-in structs are what the table says. Set SLUICE_REGENERATE=1 to write them anew.</summary>
public sealed class GeneratedCodeTests
{
    [Fact]
    public void Checked_in_methods_are_those_of_the_table()
    {
        string wire = Path.Combine(TestFolder(), "..", "..", "..", "src", "Sluice.Protocols.Amqp091", "Wire");
        Assert.SkipUnless(File.Exists(Path.Combine(wire, "methods.txt")), "the sources are not where they were built");
        string table = File.ReadAllText(Path.Combine(wire, "methods.txt"));
        foreach ((string name, string text) in MethodGenerator.Generate(table))
        {
            Compare(Path.Combine(wire, "Methods", name), text);
        }

        Compare(Path.Combine(TestFolder(), "MethodEchoes.g.cs"), MethodGenerator.GenerateEchoes(table));
    }

    internal static string Table() => File.ReadAllText(Path.Combine(TestFolder(), "..", "..", "..", "src", "Sluice.Protocols.Amqp091", "Wire", "methods.txt"));

    private static void Compare(string path, string text)
    {
        if (Environment.GetEnvironmentVariable("SLUICE_REGENERATE") == "1")
        {
            File.WriteAllText(path, text);
        }

        Assert.Equal(text, File.ReadAllText(path));
    }

    private static string TestFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
