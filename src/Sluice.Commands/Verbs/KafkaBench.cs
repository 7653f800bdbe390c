using System.CommandLine;
using Sluice.Client;
using Sluice.Commands.Client;
using Sluice.LoadGenerator.Kafka;

namespace Sluice.Commands.Verbs;

/// <summary>sluice bench kafka: the load generator with Sluice's own client, against this or any other Kafka broker.</summary>
internal static class KafkaBench
{
    public static Command Create()
    {
        Dictionary<KafkaLoadSetting, Option<string?>> options = KafkaLoadSettings.All.ToDictionary(
            setting => setting,
            setting => new Option<string?>($"--{setting.Name}") { Description = setting.Description, HelpName = setting.Value });
        Command kafka = Invocation.Verb("kafka", "Produce and consume records as fast as it goes, or at a rate, and show rates and latencies.", invocation => RunAsync(invocation, options)).WithKafka();
        foreach (Option option in options.Values)
        {
            kafka.Add(option);
        }

        return kafka;
    }

    private static async Task<int> RunAsync(Invocation invocation, Dictionary<KafkaLoadSetting, Option<string?>> options)
    {
        KafkaLoadOptions load = new() { BootstrapServers = invocation.Servers(), Sasl = invocation.Login(), Tls = invocation.Tls(), RetriesFirstConnection = false, OnBackgroundError = new TroubleLog(invocation.Error).Tell };
        foreach ((KafkaLoadSetting setting, Option<string?> option) in options.Where(entry => invocation.Has(entry.Value)))
        {
            string value = invocation.Value(option)!;
            try
            {
                load = setting.Apply(load, value);
            }
            catch (Exception error) when (error is FormatException or OverflowException)
            {
                throw new CommandException($"{option.Name} cannot be '{value}': {error.Message}");
            }
        }

        KafkaLoadResult result;
        using (ProgressLine progress = invocation.Progress())
        {
            try
            {
                result = await KafkaLoad.RunAsync(load, at => progress.Show(KafkaLoadReport.ToText(at)), invocation.Cancel).ConfigureAwait(false);
            }
            catch (KafkaClientException error)
            {
                throw KafkaAdvice.Of(error, invocation, load.Topic);
            }
        }

        if (result.Failure is KafkaClientException failure)
        {
            invocation.Error.WriteLine($"sluice: {KafkaAdvice.Of(failure, invocation, load.Topic).Message}");
        }

        invocation.Out.WriteLine(invocation.Json ? KafkaLoadReport.ToJson(result) : KafkaLoadReport.ToText(result).TrimEnd());
        return result.Problems.Count == 0 ? 0 : 1;
    }
}
