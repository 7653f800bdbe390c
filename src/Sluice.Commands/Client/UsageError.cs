using System.CommandLine;
using System.CommandLine.Parsing;
using Sluice.Hosting.Configuration;

namespace Sluice.Commands.Client;

/// <summary>What is wrong with a command line, in one line for whoever typed it.</summary>
internal static class UsageError
{
    private const int EditsMax = 2;

    /// <summary>Describes the first of the errors found, and how to get help.</summary>
    public static string Describe(ParseResult parsed, IReadOnlyList<string> arguments)
    {
        string path = PathOf(parsed.CommandResult);
        string problem = Swallowed(parsed, arguments) is { } option ? $"{option.Option.Name} needs a value" : Problem(parsed, path);
        return $"{problem}. See '{path} --help'.";
    }

    /// <summary>The option without a value that has taken the option after it for one, as in 'sluice publish --kafka --help'; null: there is none.</summary>
    /// <param name="parsed">What was understood.</param>
    /// <param name="arguments">What was typed.</param>
    /// <param name="names">Of the options that it may have taken.</param>
    public static OptionResult? Swallowed(ParseResult parsed, IReadOnlyList<string> arguments, IEnumerable<string> names) =>
        parsed.CommandResult.Children.OfType<OptionResult>().FirstOrDefault(option => option.Tokens.Any(token => names.Contains(token.Value) && arguments.Contains(token.Value)));

    /// <inheritdoc cref="Swallowed(ParseResult, IReadOnlyList{string}, IEnumerable{string})"/>
    public static OptionResult? Swallowed(ParseResult parsed, IReadOnlyList<string> arguments) =>
        Swallowed(parsed, arguments, parsed.CommandResult.Command.Options.Select(static option => option.Name));

    private static string Problem(ParseResult parsed, string path)
    {
        Command command = parsed.CommandResult.Command;
        if (parsed.UnmatchedTokens.Count > 0)
        {
            string token = parsed.UnmatchedTokens[0];
            if (token.StartsWith('-'))
            {
                return $"there is no option '{token}' for '{path}'{Nearest(token, command.Options.Select(option => option.Name))}";
            }

            return command.Subcommands.Count > 0
                ? $"there is no command '{path} {token}'{Nearest(token, command.Subcommands.Select(verb => verb.Name))}"
                : $"'{token}' is one argument too many for '{path}'";
        }

        if (command.Subcommands.Count > 0 && command.Action is null)
        {
            return $"'{path}' is to be followed by {string.Join(", ", command.Subcommands.Select(verb => verb.Name))}";
        }

        ParseError error = parsed.Errors[0];
        switch (error.SymbolResult)
        {
            case CommandResult when command.Arguments.FirstOrDefault(argument => IsMissing(parsed, argument)) is { } missing:
                return $"'{path}' needs the argument <{missing.Name}>";
            case ArgumentResult { Tokens.Count: 0, Parent: CommandResult } result:
                return $"'{path}' needs the argument <{result.Argument.Name}>";
            case OptionResult { Tokens.Count: 0 } result when result.IdentifierToken is not null || result.Option.Required:
                return result.Option.Required && result.IdentifierToken is null ? $"'{path}' needs the option {result.Option.Name}" : $"{result.Option.Name} needs a value";
            case OptionResult { Tokens.Count: > 0 } result when Type.GetTypeCode(Nullable.GetUnderlyingType(result.Option.ValueType) ?? result.Option.ValueType) is TypeCode.Int32 or TypeCode.Int64:
                return $"{result.Option.Name} takes a whole number, not '{result.Tokens[0].Value}'";
        }

        // The parser puts lists of choices on lines of their own.
        return string.Join(' ', error.Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.');
    }

    private static bool IsMissing(ParseResult parsed, Argument argument) =>
        argument.Arity.MinimumNumberOfValues > 0 && !argument.HasDefaultValue && (parsed.GetResult(argument)?.Tokens.Count ?? 0) == 0;

    private static string Nearest(string token, IEnumerable<string> names)
    {
        // Such as --port where there is --admin-port: what ends with the same words is nearer than any misspelling.
        string[] all = [.. names];
        string? nearest = token.StartsWith("--", StringComparison.Ordinal) ? all.FirstOrDefault(name => name.EndsWith(token[1..], StringComparison.Ordinal)) : null;
        nearest ??= all.MinBy(name => EditDistance.Between(name, token)) is { } near && EditDistance.Between(near, token) <= EditsMax ? near : null;
        return nearest is null ? "" : $" (did you mean '{nearest}'?)";
    }

    private static string PathOf(CommandResult result) =>
        result.Parent is CommandResult parent ? $"{PathOf(parent)} {result.Command.Name}" : "sluice";
}
