using Sluice.LoadGenerator;
using Sluice.LoadGenerator.Client;

// amqp-load [--setting value]… : the load generator alone, against any AMQP 0-9-1 broker. `sluice bench amqp` is the same load from the broker's own command.
AmqpLoadOptions options = new();
bool json = false;
int connections = 0;
int declare = 0;
try
{
    for (int i = 0; i < args.Length; i++)
    {
        string name = args[i].TrimStart('-');
        string Next() => ++i < args.Length ? args[i] : throw new FormatException("it needs a value");
        try
        {
            switch (name)
            {
                case "help" or "h":
                    PrintHelp();
                    return 0;
                case "json":
                    json = true;
                    break;
                case "idle-connections":
                    connections = int.Parse(Next());
                    break;
                case "declare-queues":
                    declare = int.Parse(Next());
                    break;
                default:
                    AmqpLoadSetting setting = AmqpLoadSettings.All.FirstOrDefault(known => known.Name == name) ?? throw new FormatException("there is no such setting; see --help");
                    options = setting.Apply(options, setting.Value is null ? "" : Next());
                    break;
            }
        }
        catch (Exception error) when (error is FormatException or OverflowException)
        {
            throw new ArgumentException($"{args[Math.Min(i, args.Length - 1)]} (--{name}): {error.Message}");
        }
    }

    using CancellationTokenSource cancel = new();
    Console.CancelKeyPress += (_, press) =>
    {
        press.Cancel = true;
        cancel.Cancel();
    };
    if (connections > 0)
    {
        using ManyConnections opened = ManyConnections.Open(options.Server, connections, cancel.Token);
        Console.WriteLine($"{opened.Count} connections open for {options.Seconds} s");
        cancel.Token.WaitHandle.WaitOne(TimeSpan.FromSeconds(options.Seconds));
        return 0;
    }

    if (declare > 0)
    {
        using AmqpClient client = AmqpClient.Connect(options.Server);
        ManyQueues.Declare(client, options.QueueName, declare, options.Durable, options.QueueArguments, cancel.Token);
        Console.WriteLine($"{declare} queues declared");
        return 0;
    }

    AmqpLoadResult result = AmqpLoad.Run(options, json ? null : progress => Console.Error.WriteLine(AmqpLoadReport.ToText(progress)), cancel.Token);
    Console.WriteLine(json ? AmqpLoadReport.ToJson(result) : AmqpLoadReport.ToText(result));
    return result.Problems.Count == 0 ? 0 : 1;
}
catch (Exception error) when (error is AmqpClosedException or AmqpProtocolException or AmqpUnreachableException or ArgumentException)
{
    Console.Error.WriteLine($"amqp-load: {error.Message}");
    return 2;
}

static void PrintHelp()
{
    Console.WriteLine("amqp-load: load on an AMQP 0-9-1 broker");
    foreach (AmqpLoadSetting setting in AmqpLoadSettings.All)
    {
        Console.WriteLine($"  {"--" + setting.Name + (setting.Value is null ? "" : " " + setting.Value),-26} {setting.Description}");
    }

    Console.WriteLine("  --json                     Print the result as JSON.");
    Console.WriteLine("  --idle-connections n       Only open n connections and hold them for --seconds.");
    Console.WriteLine("  --declare-queues n         Only declare n queues.");
}
