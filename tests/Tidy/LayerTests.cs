using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Sluice.Tidy;

/// <summary>Dependencies point down only. Projects are the walls; this test keeps doors from being cut into them.</summary>
public sealed partial class LayerTests
{
    private const string Protocol = "Sluice.Protocols.";

    /// <summary>A codec that is a project of its own, because clients use it too.</summary>
    private const string Codec = ".Wire";

    private const string CodecGenerator = ".Wire.Generator";

    /// <summary>What a project may reference. Base is open to all.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Sluice.Base"] = [],
        ["Sluice.Storage"] = [],
        ["Sluice.Broker"] = ["Sluice.Storage"],
        ["Sluice.Cluster"] = ["Sluice.Storage", "Sluice.Broker"],
        ["Sluice.Security"] = [],
        ["Sluice.Transport"] = [],
        [Protocol] = ["Sluice.Broker", "Sluice.Security", "Sluice.Transport", Codec],
        [Codec] = [],
        [CodecGenerator] = [],
        ["Sluice.Client"] = [Codec],
        ["Sluice.LoadGenerator"] = [Protocol, "Sluice.Client"],
        ["Sluice.Admin"] = ["Sluice.Broker", "Sluice.Security"],
        ["Sluice.Console"] = ["Sluice.Broker", "Sluice.Security"],
        ["Sluice.Hosting"] = ["Sluice.Storage", "Sluice.Broker", "Sluice.Cluster", "Sluice.Security", "Sluice.Transport", Protocol, "Sluice.Admin", "Sluice.Console"],
        ["Sluice.Commands"] = ["Sluice.Hosting", "Sluice.LoadGenerator", "Sluice.Client"],
        ["Sluice.Server"] = ["Sluice.Commands", "Sluice.Hosting"],
    };

    /// <summary>Packages beyond the shared framework. All others use none.</summary>
    private static readonly Dictionary<string, string[]> AllowedPackages = new()
    {
        ["Sluice.Base"] = ["Microsoft.Extensions.Logging.Abstractions"],
        ["Sluice.Commands"] = ["System.CommandLine", "Spectre.Console"],
    };

    private static readonly string[] MayUseAspNet = ["Sluice.Admin", "Sluice.Console", "Sluice.Hosting"];

    public static TheoryData<string> Projects => [.. SourceTree.Files.Where(file => file.StartsWith("src/", StringComparison.Ordinal) && file.EndsWith(".csproj", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Projects))]
    public void A_project_references_only_what_lies_below_it(string file)
    {
        string name = Path.GetFileNameWithoutExtension(file);
        XDocument project = XDocument.Parse(SourceTree.Read(file));
        string kind = Kind(name);
        Assert.True(Allowed.ContainsKey(kind), $"{name} is not in the table of layers: give it a place");
        IEnumerable<string> references = Attributes(project, "ProjectReference").Select(path => Path.GetFileNameWithoutExtension(path.Replace('\\', '/')));
        SourceTree.AssertNone(
            references.Where(reference => reference != "Sluice.Base" && !Allowed[kind].Contains(Kind(reference))),
            $"{name} must not reference:");
        SourceTree.AssertNone(
            Attributes(project, "PackageReference").Except(AllowedPackages.GetValueOrDefault(name, [])),
            $"{name} must not use the packages:");
        if (!MayUseAspNet.Contains(name))
        {
            SourceTree.AssertNone(Attributes(project, "FrameworkReference"), $"{name} must not use the frameworks:");
        }
    }

    [Fact]
    public void Every_project_is_in_the_solution()
    {
        string solution = SourceTree.Read("Sluice.slnx");
        SourceTree.AssertNone(
            SourceTree.Files.Where(file => file.EndsWith(".csproj", StringComparison.Ordinal) && !solution.Contains($"\"{file}\"", StringComparison.Ordinal)),
            "Projects that Sluice.slnx does not name:");
    }

    [Fact]
    public void Wire_codecs_use_nothing_but_Base_and_System()
    {
        SourceTree.AssertNone(
            from file in SourceTree.CodeBelow("src")
            let project = file.Split('/')[1]
            let isCodec = project.EndsWith(Codec, StringComparison.Ordinal)
            where isCodec || file.Contains("/Wire/", StringComparison.Ordinal)
            let own = isCodec ? project : project + Codec
            from line in SourceTree.ReadLines(file)
            let match = NamespaceUsed().Match(line)
            where match.Success
            let used = match.Groups[1].Value
            where !IsBelow(used, "System") && !IsBelow(used, "Sluice.Base") && !IsBelow(used, own)
            select $"{file}: {line.Trim()}",
            "A codec is pure: bytes in, values out. These lines reach further:");
    }

    [Fact]
    public void No_protocol_sees_another()
    {
        SourceTree.AssertNone(
            from file in SourceTree.CodeBelow("src")
            where file.StartsWith("src/" + Protocol, StringComparison.Ordinal)
            let own = ProtocolNamed().Match(file).Value
            from line in CodeText.Lines(file)
            from Match match in ProtocolNamed().Matches(line)
            where match.Value != own
            select $"{file}: {line.Trim()}",
            "Protocols meet in the broker, never directly:");
    }

    private static string Kind(string project) =>
        !project.StartsWith(Protocol, StringComparison.Ordinal) ? project
        : project.EndsWith(CodecGenerator, StringComparison.Ordinal) ? CodecGenerator
        : project.EndsWith(Codec, StringComparison.Ordinal) ? Codec
        : Protocol;

    private static bool IsBelow(string name, string space) => name == space || name.StartsWith(space + ".", StringComparison.Ordinal);

    private static IEnumerable<string> Attributes(XDocument project, string element) => project.Descendants(element).Select(reference => reference.Attribute("Include")?.Value ?? "?");

    [GeneratedRegex(@"^\s*(?:global\s+)?using\s+(?:static\s+)?(?:\w+\s*=\s*)?([A-Za-z_][\w.]*)")]
    private static partial Regex NamespaceUsed();

    [GeneratedRegex(@"Sluice\.Protocols\.\w+")]
    private static partial Regex ProtocolNamed();
}
