using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using Sluice.Client;
using Sluice.Client.Administering;
using Sluice.LoadGenerator.Client;
using Spectre.Console;

namespace Sluice.Commands.Client;

/// <summary>One run of a verb: its options, where its output goes, and the broker it talks to.</summary>
internal sealed class Invocation(ParseResult parsed, CancellationToken cancel) : IDisposable
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };
    private AdminClient? _admin;

    public CancellationToken Cancel => cancel;

    public TextWriter Out => parsed.InvocationConfiguration.Output;

    public TextWriter Error => parsed.InvocationConfiguration.Error;

    public bool Json => parsed.GetValue(ServerOptions.Json);

    public string VirtualHost => parsed.GetRequiredValue(ServerOptions.VirtualHost);

    /// <summary>The management API, with the options given.</summary>
    public AdminClient Admin => _admin ??= new AdminClient(
        parsed.GetRequiredValue(ServerOptions.Host),
        parsed.GetRequiredValue(ServerOptions.AdminPort),
        parsed.GetRequiredValue(ServerOptions.User),
        parsed.GetRequiredValue(ServerOptions.Password),
        remark => Error.WriteLine($"sluice: {remark}"));

    /// <summary>Where AMQP is, with the options given.</summary>
    public AmqpClientOptions AmqpOptions => new()
    {
        Host = parsed.GetRequiredValue(ServerOptions.Host),
        Port = parsed.GetRequiredValue(ServerOptions.Port),
        User = parsed.GetRequiredValue(ServerOptions.User),
        Password = parsed.GetRequiredValue(ServerOptions.Password),
        VirtualHost = VirtualHost,
        ConnectionName = "sluice command",
    };

    /// <summary>
    /// Makes a verb of it: what the verb throws for the person at the keyboard becomes one line on standard error and exit code 1.
    /// </summary>
    public static Command Verb(string name, string description, Func<Invocation, Task<int>> run)
    {
        Command command = new(name, description);
        command.SetAction(async (parsed, cancel) =>
        {
            using Invocation invocation = new(parsed, cancel);
            try
            {
                return await run(invocation).ConfigureAwait(false);
            }
            catch (Exception error) when (error is CommandException or AmqpClosedException or AmqpProtocolException or AmqpUnreachableException or KafkaClientException or ArgumentException or IOException)
            {
                invocation.Error.WriteLine($"sluice: {error.Message}");
                return 1;
            }
            catch (OperationCanceledException)
            {
                invocation.Error.WriteLine("sluice: cancelled");
                return 130;
            }
        });
        return command;
    }

    /// <summary>The value of an option that has one by default, or must be given.</summary>
    public T Value<T>(Option<T> option) => parsed.GetValue(option)!;

    /// <summary>The value of an argument; null if it was optional and not given.</summary>
    public T Value<T>(Argument<T> argument) => parsed.GetValue(argument)!;

    public bool Has(Option option) => parsed.GetResult(option) is { Implicit: false };

    public AmqpClient ConnectAmqp()
    {
        try
        {
            return AmqpClient.Connect(AmqpOptions);
        }
        catch (AmqpUnreachableException error)
        {
            throw new CommandException($"{error.Message} Start a broker with 'sluice serve', or say where it is with --host and --port.");
        }
    }

    /// <summary>What happened, in words or, with --json, as an object.</summary>
    public int Done(string sentence, string key, JsonNode? value)
    {
        if (Json)
        {
            Print(new JsonObject { [key] = value });
        }
        else
        {
            Out.WriteLine(sentence);
        }

        return 0;
    }

    /// <summary>What was asked for did not all come in time: says so, and is the exit code.</summary>
    public int TooFew(long taken, long wanted, TimeSpan? wait)
    {
        Error.WriteLine($"sluice: {(taken == 0 ? "Nothing" : $"Only {taken} of {wanted}")} came{(wait is { } time && time > TimeSpan.Zero ? $"; no more within {time.TotalSeconds:0.###} s" : "")}.");
        return 1;
    }

    /// <summary>Administers the broker by its Kafka listener, with the options given.</summary>
    /// <param name="run">What is done; returns the exit code.</param>
    /// <param name="topic">Which topic it is about, for advice.</param>
    /// <exception cref="CommandException">It has failed: why, with advice.</exception>
    public async Task<int> AdministerKafkaAsync(Func<KafkaAdmin, Task<int>> run, string topic = "")
    {
        var admin = new KafkaAdmin(new AdminOptions { BootstrapServers = this.Servers(), ClientId = "sluice command", Sasl = this.Login(), Tls = this.Tls() });
        await using (admin.ConfigureAwait(false))
        {
            try
            {
                return await run(admin).ConfigureAwait(false);
            }
            catch (KafkaClientException error)
            {
                throw KafkaAdvice.Of(error, this, topic);
            }
        }
    }

    public void Print(JsonNode json) => Out.WriteLine(json.ToJsonString(Indented));

    /// <summary>A console that draws tables to this output; as wide as they need when it is not a terminal.</summary>
    public IAnsiConsole Console()
    {
        bool isTerminal = ReferenceEquals(Out, System.Console.Out) && !System.Console.IsOutputRedirected;
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(Out),
            Ansi = isTerminal ? AnsiSupport.Detect : AnsiSupport.No,
            Interactive = isTerminal ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!isTerminal)
        {
            console.Profile.Width = 10_000;
        }

        return console;
    }

    /// <summary>A line that tells how far long work has come; shown only to people.</summary>
    public ProgressLine Progress() => new(Error, isShown: !Json && ReferenceEquals(Error, System.Console.Error) && !System.Console.IsErrorRedirected);

    public void Dispose() => _admin?.Dispose();
}
