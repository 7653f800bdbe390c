namespace Sluice.Protocols.Kafka.Wire.Generator;

/// <summary>The codec's folder: tables in, generated files out.</summary>
internal sealed class CodecSources(string folder)
{
    public string GeneratedFolder => Path.Combine(folder, "Generated");

    private string SchemaFolder => Path.Combine(folder, "Schemas");

    /// <summary>Finds the folder from any folder of the repository, or below one.</summary>
    public static CodecSources? Find(string start)
    {
        for (DirectoryInfo? directory = new(start); directory is not null; directory = directory.Parent)
        {
            string folder = Path.Combine(directory.FullName, "src", "Sluice.Protocols.Kafka.Wire");
            if (Directory.Exists(Path.Combine(folder, "Schemas")))
            {
                return new CodecSources(folder);
            }
        }

        return null;
    }

    /// <summary>The tables of messages, by name.</summary>
    public IReadOnlyList<Schema> Schemas() =>
    [
        .. Directory.EnumerateFiles(SchemaFolder, "*.txt")
            .Order(StringComparer.Ordinal)
            .Where(path => char.IsAsciiLetterUpper(Path.GetFileName(path)[0]))
            .Select(path => SchemaParser.Parse(Path.GetFileName(path), File.ReadAllText(path))),
    ];

    /// <summary>Text of all generated files, by file name.</summary>
    public SortedDictionary<string, string> Generate()
    {
        IReadOnlyList<Schema> schemas = Schemas();
        Schema[] apis = [.. schemas.Where(schema => schema.Kind == SchemaKind.Api)];
        var files = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["KafkaApiKey.g.cs"] = CatalogueGenerator.ApiKeys(apis, File.ReadAllText(Path.Combine(SchemaFolder, "unserved.txt"))),
            ["KafkaApis.g.cs"] = CatalogueGenerator.Apis(apis),
            ["KafkaErrorCode.g.cs"] = CatalogueGenerator.ErrorCodes(File.ReadAllText(Path.Combine(SchemaFolder, "errors.txt"))),
        };
        foreach (Schema schema in schemas)
        {
            files[schema.Name + ".g.cs"] = MessageGenerator.Generate(schema);
        }

        return files;
    }

    /// <summary>Replaces the generated files.</summary>
    public void Write()
    {
        Directory.CreateDirectory(GeneratedFolder);
        foreach (string old in Directory.EnumerateFiles(GeneratedFolder))
        {
            File.Delete(old);
        }

        foreach ((string name, string text) in Generate())
        {
            File.WriteAllText(Path.Combine(GeneratedFolder, name), text);
        }
    }
}
