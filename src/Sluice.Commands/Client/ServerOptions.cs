using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Sluice.Commands.Client;

/// <summary>Options that all verbs which talk to a broker share: where it is, and as whom.</summary>
internal static class ServerOptions
{
    public static Option<string> Host { get; } = new("--host") { Description = "The broker's host.", HelpName = "name", DefaultValueFactory = _ => FromEnvironment("SLUICE_HOST", "127.0.0.1") };

    public static Option<int> Port { get; } = new("--port") { Description = "Its AMQP port.", HelpName = "port", DefaultValueFactory = result => FromEnvironment(result, "SLUICE_PORT", 5672) };

    public static Option<int> AdminPort { get; } = new("--admin-port") { Description = "Its HTTP port.", HelpName = "port", DefaultValueFactory = result => FromEnvironment(result, "SLUICE_ADMIN_PORT", 15672) };

    public static Option<string> User { get; } = new("--user", "-u") { Description = "Log in as. By Kafka's protocol nobody logs in unless a user or password is given.", HelpName = "name", DefaultValueFactory = _ => FromEnvironment("SLUICE_USER", "guest") };

    public static Option<string> Password { get; } = new("--password") { Description = "Your own password, to log in; SLUICE_PASSWORD in the environment keeps it out of process listings.", HelpName = "text", DefaultValueFactory = _ => FromEnvironment("SLUICE_PASSWORD", "guest") };

    public static Option<string> VirtualHost { get; } = new("--vhost", "-p") { Description = "Virtual host.", HelpName = "name", DefaultValueFactory = _ => "/" };

    public static Option<bool> Json { get; } = new("--json") { Description = "Print JSON instead of tables." };

    /// <summary>Adds those that a verb over HTTP needs.</summary>
    public static Command WithAdmin(this Command command)
    {
        command.Add(Host);
        command.Add(AdminPort);
        command.Add(User);
        command.Add(Password);
        command.Add(Json);
        return command;
    }

    /// <summary>Adds those that a verb over Kafka's protocol needs.</summary>
    public static Command WithKafka(this Command command)
    {
        command.Add(Host);
        command.With([.. KafkaOptions.Access]);
        command.Add(User);
        command.Add(Password);
        command.Add(Json);
        return command;
    }

    /// <summary>Adds those that a verb over AMQP needs.</summary>
    public static Command WithAmqp(this Command command)
    {
        command.Add(Host);
        command.Add(Port);
        command.Add(User);
        command.Add(Password);
        command.Add(VirtualHost);
        command.Add(Json);
        return command;
    }

    public static Command WithVirtualHost(this Command command)
    {
        command.Add(VirtualHost);
        return command;
    }

    public static Command With(this Command command, params ReadOnlySpan<Symbol> symbols)
    {
        foreach (Symbol symbol in symbols)
        {
            switch (symbol)
            {
                case Option option:
                    command.Add(option);
                    break;
                case Argument argument:
                    command.Add(argument);
                    break;
                case Command verb:
                    command.Add(verb);
                    break;
            }
        }

        return command;
    }

    /// <summary>What a variable says; null: nothing.</summary>
    public static string? FromEnvironment(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    private static int FromEnvironment(ArgumentResult result, string name, int otherwise)
    {
        string? value = FromEnvironment(name);
        if (value is null || int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out otherwise))
        {
            return otherwise;
        }

        result.AddError($"the variable {name} of the environment is a whole number, not '{value}'");
        return 0;
    }

    private static string FromEnvironment(string name, string otherwise) => FromEnvironment(name) ?? otherwise;
}
