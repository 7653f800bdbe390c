using System.CommandLine;
using Sluice.Commands.Client;
using Sluice.LoadGenerator;

namespace Sluice.Commands.Verbs;

/// <summary>sluice bench amqp and sluice bench kafka: the load generators, against this or any other broker of the protocol.</summary>
internal static class BenchVerb
{
    /// <summary>Settings that all verbs have, under the same names.</summary>
    private static readonly string[] Shared = ["host", "port", "user", "password", "vhost"];

    public static Command Create()
    {
        Dictionary<AmqpLoadSetting, Option> options = AmqpLoadSettings.All.Where(setting => !Shared.Contains(setting.Name)).ToDictionary(setting => setting, ToOption);
        Command amqp = Invocation.Verb("amqp", "Publish and consume as fast as it goes, or at a rate, and show rates and latencies.", invocation => Task.FromResult(Run(invocation, options))).WithAmqp();
        foreach (Option option in options.Values)
        {
            amqp.Add(option);
        }

        return new Command("bench", "Generate load.").With(amqp, KafkaBench.Create());
    }

    private static Option ToOption(AmqpLoadSetting setting) => setting.Value is null
        ? new Option<bool>($"--{setting.Name}") { Description = setting.Description }
        : new Option<string[]>($"--{setting.Name}") { Description = setting.Description, HelpName = setting.Value };

    private static int Run(Invocation invocation, Dictionary<AmqpLoadSetting, Option> options)
    {
        AmqpLoadOptions load = new() { Server = invocation.AmqpOptions with { ConnectionName = "sluice load" } };
        foreach ((AmqpLoadSetting setting, Option option) in options.Where(entry => invocation.Has(entry.Value)))
        {
            foreach (string value in option is Option<string[]> texts ? invocation.Value(texts) : [""])
            {
                load = Apply(setting, load, value);
            }
        }

        AmqpLoadResult result;
        using (ProgressLine progress = invocation.Progress())
        {
            result = AmqpLoad.Run(load, at => progress.Show(AmqpLoadReport.ToText(at)), invocation.Cancel);
        }

        invocation.Out.WriteLine(invocation.Json ? AmqpLoadReport.ToJson(result) : AmqpLoadReport.ToText(result).TrimEnd());
        return result.Problems.Count == 0 ? 0 : 1;
    }

    private static AmqpLoadOptions Apply(AmqpLoadSetting setting, AmqpLoadOptions load, string value)
    {
        try
        {
            return setting.Apply(load, value);
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            throw new CommandException($"--{setting.Name} cannot be '{value}': {error.Message}");
        }
    }
}
