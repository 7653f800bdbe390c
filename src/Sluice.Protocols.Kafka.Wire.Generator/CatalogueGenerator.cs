namespace Sluice.Protocols.Kafka.Wire.Generator;

/// <summary>Writes what is about all APIs: their keys, their versions, the error codes.</summary>
internal static class CatalogueGenerator
{
    private const string Space = "namespace Sluice.Protocols.Kafka.Wire;\n";

    /// <param name="apis">The tables of APIs.</param>
    /// <param name="unserved">Lines "key name" of APIs that are known by name only.</param>
    public static string ApiKeys(IReadOnlyList<Schema> apis, string unserved)
    {
        var code = new CodeWriter();
        code.Line();
        code.Line("/// <summary>The numbers of the APIs. Not all are served: see <see cref=\"KafkaApis\"/>.</summary>");
        code.Block("public enum KafkaApiKey : short", () =>
        {
            IEnumerable<(short Key, string Name)> keys = apis.Select(api => (api.Number, api.Name)).Concat(Lines(unserved).Select(words => (short.Parse(words[0]), words[1])));
            foreach ((short key, string name) in keys.OrderBy(entry => entry.Key))
            {
                code.Line($"{name} = {key},");
            }
        });
        return MessageGenerator.Head("Schemas") + Space + code;
    }

    public static string Apis(IReadOnlyList<Schema> apis)
    {
        var code = new CodeWriter();
        code.Line("using Sluice.Protocols.Kafka.Wire.Messages;").Line();
        code.Line("namespace Sluice.Protocols.Kafka.Wire;").Line();
        code.Line("/// <summary>The APIs whose messages are known, each with all versions that a Kafka 4.3 broker serves.</summary>");
        code.Block("public static class KafkaApis", () =>
        {
            code.Line("private static readonly KafkaApi[] Known =").Line("[");
            code.Indented(() =>
            {
                foreach (Schema api in apis.OrderBy(api => api.Number))
                {
                    string flexible = api.Flexible.IsEmpty ? "short.MaxValue" : $"{api.Flexible.Min}";
                    code.Line($"new(KafkaApiKey.{api.Name}, {api.Versions.Min}, {api.Versions.Max}, {api.AdvertisedMin}, {flexible}, static () => new {api.Name}Request(), static () => new {api.Name}Response()),");
                }
            });
            code.Line("];").Line();
            code.Line("private static readonly KafkaApi?[] ByKey = Index();").Line();
            code.Line("/// <summary>In the order of their keys.</summary>");
            code.Line("public static IReadOnlyList<KafkaApi> All => Known;").Line();
            code.Line("/// <summary>The API with this key; null if its messages are not known.</summary>");
            code.Line("public static KafkaApi? Find(short key) => (uint)key < (uint)ByKey.Length ? ByKey[key] : null;").Line();
            code.Line("/// <summary>The API with this key, which must be known.</summary>");
            code.Line("public static KafkaApi Get(KafkaApiKey key) => Find((short)key) ?? throw new ArgumentOutOfRangeException(nameof(key), key, \"its messages are not known\");").Line();
            code.Block("private static KafkaApi?[] Index()", () =>
            {
                code.Line($"var apis = new KafkaApi?[{apis.Max(api => api.Number) + 1}];");
                code.Block("foreach (KafkaApi api in Known)", () => code.Line("apis[(short)api.Key] = api;"));
                code.Line().Line("return apis;");
            });
        });
        return MessageGenerator.Head("Schemas") + code;
    }

    public static string ErrorCodes(string errors)
    {
        var code = new CodeWriter();
        code.Line();
        code.Line("/// <summary>The protocol's error codes.</summary>");
        code.Block("public enum KafkaErrorCode : short", () =>
        {
            foreach (string[] words in Lines(errors))
            {
                code.Line($"{words[1]} = {words[0]},");
            }
        });
        code.Line();
        code.Line("/// <summary>What is known about error codes.</summary>");
        code.Block("public static class KafkaErrorCodes", () =>
        {
            code.Line("/// <summary>Whether the same request may succeed later, as clients understand it.</summary>");
            code.Line("public static bool IsRetriable(this KafkaErrorCode code) => code is");
            code.Indented(() => code.Line(string.Join("\n        or ", Lines(errors).Where(words => words.Length > 2).Select(words => $"KafkaErrorCode.{words[1]}")) + ";"));
        });
        return MessageGenerator.Head("Schemas/errors.txt") + Space + code;
    }

    private static IEnumerable<string[]> Lines(string table) =>
        table.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#').Select(line => line.Trim().Split(' '));
}
