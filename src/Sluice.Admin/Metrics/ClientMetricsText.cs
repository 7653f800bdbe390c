namespace Sluice.Admin.Metrics;

/// <summary>What Kafka clients tell of themselves as gauges. Names and labels are theirs, brought into Prometheus' alphabet; what would then be there twice is written once.</summary>
internal static class ClientMetricsText
{
    private const string FamilyPrefix = "sluice_kafka_client_", KafkaPrefix = "org.apache.kafka.";

    public static void Write(IEnumerable<ClientMetricsInfo> clients, MetricsText text)
    {
        var families = clients.SelectMany(static client => client.Values.Select(value => (Client: client, Value: value))).GroupBy(static entry => Family(entry.Value.Name)).OrderBy(static family => family.Key, StringComparer.Ordinal);
        foreach (var family in families)
        {
            text.Family(family.Key, "gauge", "The newest that Kafka clients have told.");
            var written = new HashSet<string>(StringComparer.Ordinal);
            foreach ((ClientMetricsInfo client, ClientMetricInfo value) in family)
            {
                (string Name, string Value)[] labels = Labels(client, value);
                if (written.Add(string.Join('\0', labels.Select(static label => $"{label.Name}\0{label.Value}"))))
                {
                    text.Value(family.Key, value.Value, labels);
                }
            }
        }
    }

    private static string Family(string name) => FamilyPrefix + Plain(name.StartsWith(KafkaPrefix, StringComparison.Ordinal) ? name[KafkaPrefix.Length..] : name);

    private static (string Name, string Value)[] Labels(ClientMetricsInfo client, ClientMetricInfo value)
    {
        IEnumerable<(string Name, string Value)> own = value.Attributes.Select(static attribute => (Plain(attribute.Key), attribute.Value));
        (string Name, string Value)[] clients = [("client_id", client.ClientId ?? ""), ("client_instance_id", client.InstanceId)];
        return [.. clients.Concat(own.Where(static label => char.IsAsciiLetter(label.Name[0]))).DistinctBy(static label => label.Name, StringComparer.Ordinal)];
    }

    private static string Plain(string name) => string.Create(name.Length, name, static (to, from) =>
    {
        for (int i = 0; i < to.Length; i++)
        {
            to[i] = char.IsAsciiLetterOrDigit(from[i]) ? from[i] : '_';
        }
    });
}
